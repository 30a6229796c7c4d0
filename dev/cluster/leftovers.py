"""Finds what a cluster has left on the machine; `down` ends only when this finds nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from cluster import cgroups, firewall, network
from cluster.place import BRIDGE, RUN_DIR, Place
from cluster.shell import succeeds

_PROGRAMS = frozenset(
    {
        "containerd",
        "containerd-shim-runc-v2",
        "containerd-shim",
        "runc",
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
    }
)
_ATTEMPTS = 50
_PAUSE_SECONDS = 0.1


def leftovers(place: Place) -> list[str]:
    """Everything of the cluster that is still there, one line each; empty after `down`.

    The folder of images is no leftover: see `cluster.place.Place`.
    """
    found = [f"process {pid}: {_command(pid)}" for pid in sorted(own_processes(place))]
    found += [f"mount {mount}" for mount in own_mounts(place)]
    found += [f"bridge {BRIDGE}"] if network.bridge_exists() else []
    found += [f"chain {chain}" for chain in firewall.own_chains()]
    found += [f"cgroup {branch}" for branch in cgroups.branches()]
    found += [f"folder {folder}" for folder in (place.state, RUN_DIR) if folder.exists()]
    return found


def own_processes(place: Place) -> set[int]:
    """Processes of the cluster: those in its cgroups, and those with its folders in a command.

    That finds the shims of containers too, whose pid files, if any, are not the cluster's.
    """
    marks = [f"{place.state}/", f"{RUN_DIR}/"]
    found = cgroups.members()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            words = _words(int(folder.name))
            # A person's editor or shell may name these folders as well.
            is_program = Path(words[0]).name in _PROGRAMS
            if is_program and any(mark in word for word in words for mark in marks):
                found.add(int(folder.name))
    return found


def own_mounts(place: Place) -> list[str]:
    """Mounts below the cluster's folders, the innermost first."""
    roots = tuple(f"{folder}/" for folder in (place.state, RUN_DIR, place.images))
    lines = Path("/proc/self/mounts").read_text().splitlines()
    points = [line.split()[1].replace("\\040", " ") for line in lines]
    return [point for point in reversed(points) if point.startswith(roots)]


def end_processes(place: Place) -> None:
    """End by SIGKILL what still runs."""
    for _ in range(_ATTEMPTS):
        left = own_processes(place)
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_SECONDS)


def unmount(place: Place) -> None:
    """Take away what is still mounted; a busy mount is detached."""
    for mount in own_mounts(place):
        if not succeeds(["umount", mount]):
            succeeds(["umount", "--lazy", mount])


def _words(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return [""]
    return text.rstrip("\0").split("\0")


def _command(pid: int) -> str:
    return " ".join(_words(pid))[:120]
