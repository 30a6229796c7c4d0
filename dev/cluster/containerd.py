"""The cluster's own containerd: its configuration, its command, and its removal.

It shares nothing with a containerd of the machine: another socket, other folders.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from cluster import machine
from cluster.place import RUN_DIR, Place
from cluster.processes import Service
from cluster.shell import run, succeeds

NAMESPACE = "k8s.io"
_CONFIG = """\
version = 2
root = "{root}"
state = "{state}"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", \
"io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs", \
"io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
netns_mounts_under_state_dir = true
restrict_oom_score_adj = {restrict}
disable_apparmor = {no_apparmor}

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{cni_programs}"
conf_dir = "{cni_configs}"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def render_config(place: Place, cni_configs: Path, pause_image: str, *, restrict: bool) -> str:
    """The configuration file.

    Args:
        place: the cluster.
        cni_configs: folder of the CNI configuration.
        pause_image: holds the namespaces of each pod.
        restrict: whether processes may not lower their OOM score; then containers keep
            containerd's.
    """
    return _CONFIG.format(
        root=place.images,
        state=RUN_DIR / "containerd",
        socket=place.containerd_socket,
        pause=pause_image,
        restrict=str(restrict).lower(),
        no_apparmor=str(shutil.which("apparmor_parser") is None).lower(),
        cni_programs=machine.cni_folder(),
        cni_configs=cni_configs,
    )


def service(place: Place, cni_configs: Path, pause_image: str) -> Service:
    """The supervised containerd; writes its configuration."""
    config = place.state / "containerd.toml"
    restrict = not machine.may_lower_oom_score()
    config.write_text(render_config(place, cni_configs, pause_image, restrict=restrict))
    RUN_DIR.mkdir(exist_ok=True)
    place.images.mkdir(parents=True, exist_ok=True)
    return stopped_service(place)


def stopped_service(place: Place) -> Service:
    """The same service for looking and stopping; writes nothing."""
    containerd = shutil.which("containerd") or "containerd"
    argv = [containerd, "--config", str(place.state / "containerd.toml"), "--log-level", "warn"]
    return Service("containerd", place.logs, argv)


def ctr(place: Place) -> list[str]:
    """The beginning of a command to the cluster's containerd."""
    return ["ctr", "--address", str(place.containerd_socket), "--namespace", NAMESPACE]


def answers(place: Place) -> bool:
    """Whether containerd takes commands."""
    return place.containerd_socket.exists() and succeeds([*ctr(place), "version"])


def remove_containers(place: Place) -> None:
    """End and delete every container; images stay."""
    command = ctr(place)
    for task in run([*command, "tasks", "list", "--quiet"]).split():
        succeeds([*command, "tasks", "delete", "--force", task], timeout_seconds=30)
    containers = run([*command, "containers", "list", "--quiet"]).split()
    if containers:
        succeeds([*command, "containers", "delete", *containers], timeout_seconds=60)
