"""Chooses the kubectl to use: the one on PATH where its version fits, else a built one."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from pathlib import Path

from cluster.builder import program
from cluster.programs import KUBERNETES_VERSION


@functools.cache
def kubectl() -> Path:
    """A kubectl whose version is at most one minor away from the cluster's.

    That is the skew Kubernetes supports; building one takes a minute once the other
    programs are built.
    """
    on_path = shutil.which("kubectl")
    if on_path is not None:
        command = [on_path, "version", "--client", "-o", "json"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if fits(answer.stdout):
            return Path(on_path)
    return program("kubectl")


def fits(answer: str) -> bool:
    """Whether `kubectl version --client -o json` names a version close enough."""
    try:
        version = json.loads(answer)["clientVersion"]["gitVersion"]
        return abs(_minor(version) - _minor(KUBERNETES_VERSION)) <= 1
    except (ValueError, KeyError, IndexError, TypeError):
        return False


def _minor(version: str) -> int:
    return int(version.split(".")[1])
