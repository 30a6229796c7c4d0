"""Says when, where and with what was measured."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bench.operator.system import ROOT
from cluster.programs import KUBERNETES_VERSION

_PACKAGES: Final = ("kopf", "kubernetes", "aiohttp", "pydantic")


def conditions() -> str:
    """Hardware and versions, in one sentence."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{os.cpu_count()} CPUs ({_model()}), {memory:.0f} GiB, Linux {platform.release()}; "
        f"Kubernetes {KUBERNETES_VERSION.removeprefix('v')}, etcd {_etcd()} without fsync, "
        f"{packages}, Python {platform.python_version()}. Load generator, etcd, API server, "
        "controller manager and the system itself share these CPUs."
    )


def _etcd() -> str:
    modules = (ROOT / "dev" / "cluster" / "binaries" / "go.mod").read_text()
    found = re.search(r"go\.etcd\.io/etcd/\S+ v(\S+)", modules)
    return found[1] if found else "of unknown version"


def _model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "?")
