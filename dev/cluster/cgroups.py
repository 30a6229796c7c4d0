"""The cluster's own branch of the cgroup tree, in which every pod runs."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from cluster.place import CGROUP

_ATTEMPTS = 50
_PAUSE_SECONDS = 0.1


def hierarchies(mounts: str) -> tuple[list[Path], list[Path]]:
    """The roots of the cgroup trees named in /proc/mounts: version 1, version 2.

    Version 1 has one tree for each controller, and often a version 2 tree without
    controllers beside them, in which runc puts containers as well.
    """
    found = [line.split()[1:3] for line in mounts.splitlines()]
    first = [Path(path) for path, kind in found if kind == "cgroup"]
    second = [Path(path) for path, kind in found if kind == "cgroup2"]
    return first, second


def add_cgroups() -> None:
    """Make the branch in the trees with controllers; the kubelet does not start without it."""
    first, second = _roots()
    for root in first or second:
        (root / CGROUP).mkdir(exist_ok=True)


def branches() -> list[Path]:
    """The cluster's branches that are there now."""
    first, second = _roots()
    return [root / CGROUP for root in first + second if (root / CGROUP).is_dir()]


def _roots() -> tuple[list[Path], list[Path]]:
    return hierarchies(Path("/proc/mounts").read_text())


def members() -> set[int]:
    """The processes in the cluster's branches."""
    found: set[int] = set()
    for branch in branches():
        for path in branch.rglob("cgroup.procs"):
            with contextlib.suppress(FileNotFoundError, OSError):
                found.update(int(pid) for pid in path.read_text().split())
    return found


def remove_cgroups() -> None:
    """End whatever still runs in the branches by SIGKILL, and delete them."""
    for _ in range(_ATTEMPTS):
        for pid in members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for branch in branches():
            _remove_tree(branch)
        if not branches():
            return
        time.sleep(_PAUSE_SECONDS)


def _remove_tree(branch: Path) -> None:
    folders = [path for path in branch.rglob("*") if path.is_dir()]
    for folder in [*sorted(folders, key=lambda path: len(path.parts), reverse=True), branch]:
        # Busy for a moment after its last process: the next round finds it free.
        with contextlib.suppress(OSError):
            folder.rmdir()
