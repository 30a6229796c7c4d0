"""Makes the base image from Debian packages, for machines that reach no image registry.

It stands in for the public base of the Dockerfiles: same release, same Python, the same
steps on top. Production images are built on the public one.
"""

from __future__ import annotations

from pathlib import Path

from cluster.report import Heartbeat
from images.commands import run_logged
from images.keys import base_key

_SUITE = "bookworm"
_PACKAGES = ("ca-certificates", "python3")
_OPTIONS = (
    # A root file system that is thrown away when anything fails needs no syncing to disk.
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    # Licences stay with what they license.
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
)

LOCAL_BASE_KEY = base_key(_SUITE, _PACKAGES, _OPTIONS)
"""Digest of what decides the local base; the day's package versions do not enter."""


def bootstrap(archive: Path, log: Path) -> None:
    """Write the root file system of the local base as a tar archive (a minute).

    Raises:
        BuildError: mmdebstrap failed, as it does when no Debian mirror answers.
    """
    command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", *_OPTIONS]
    run_logged([*command, _SUITE, str(archive)], log, Heartbeat("making the base image"))
