"""The programs that build images, and how a machine without them gets them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from cluster.errors import BuildError
from cluster.report import Heartbeat, say
from images.commands import run_logged

BUILDAH_TOOLS = {"buildah": "buildah", "mmdebstrap": "mmdebstrap", "zstd": "zstd", "tar": "tar"}
"""Commands and the Debian packages that bring them."""


def require(tools: Mapping[str, str], log: Path) -> None:
    """Install what is missing, with apt-get.

    Raises:
        BuildError: this is not root, or no Debian; the message names the packages.
    """
    if os.geteuid() != 0:
        raise BuildError(
            "without a Docker engine, building images needs root;"
            " run the command as root, or start Docker"
        )
    missing = [package for command, package in tools.items() if shutil.which(command) is None]
    if not missing:
        return
    wanted = " ".join(missing)
    if shutil.which("apt-get") is None:
        raise BuildError(f"missing: {wanted} (their Debian names); install them, then try again")
    say(f"installing {wanted} with apt-get")
    heartbeat = Heartbeat("installing packages")
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
        run_logged(["apt-get", "-q", *words], log, heartbeat, environment)
