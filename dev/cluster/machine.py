"""What the node needs from the machine, and what it changes there.

Kernel settings and folders outside the cluster's own are noted before the first start and
put back by `down`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from cluster.errors import ClusterError
from cluster.report import say
from cluster.shell import attend

PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "openssl": "openssl",
    "mount": "mount",
}
"""Commands and the Debian packages that bring them."""

CNI_PACKAGE = "containernetworking-plugins"
_CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))

SYSCTLS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/route_localnet",
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
"""What the kubelet, kube-proxy and this program set."""

FOLDERS = (
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
    "/var/lib/cni",
    "/run/containerd",
    "/opt/containerd",
    "/opt/cni",
    "/usr/libexec/kubernetes",
    "/var/run/kubernetes",
)
"""Folders that containerd and the kubelet make wherever their data are."""

_SYS = Path("/proc/sys")
_CAP_SYS_RESOURCE = 24


def require_root() -> None:
    """Refuse to go on as another user.

    Raises:
        ClusterError: containers, bridges and firewall rules need root.
    """
    if os.geteuid() != 0:
        raise ClusterError(
            "without a Docker engine the cluster needs root, for containers and a bridge;"
            " run the command as root, or start Docker"
        )


def install_packages() -> None:
    """Install the Debian packages that are missing.

    Raises:
        ClusterError: apt-get is missing or failed; the message names the packages.
    """
    missing = missing_packages()
    if not missing:
        return
    wanted = " ".join(missing)
    if shutil.which("apt-get") is None:
        raise ClusterError(f"missing: {wanted} (their Debian names); install them, then try again")
    say(f"installing {wanted} with apt-get")
    if not (_apt("install", missing) or (_apt("update", []) and _apt("install", missing))):
        raise ClusterError(
            f"apt-get could not install {wanted}; run `apt-get install {wanted}` to see why"
        )


def missing_packages() -> list[str]:
    """The Debian packages whose commands are not on PATH."""
    missing = [package for command, package in PACKAGES.items() if shutil.which(command) is None]
    if not any((folder / "bridge").exists() for folder in _CNI_FOLDERS):
        missing.append(CNI_PACKAGE)
    return missing


def cni_folder() -> Path:
    """Where the CNI plugins lie."""
    return next(folder for folder in _CNI_FOLDERS if (folder / "bridge").exists())


def may_lower_oom_score() -> bool:
    """Whether this process has CAP_SYS_RESOURCE; without, runc fails on every container."""
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = next(line.split()[1] for line in lines if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> _CAP_SYS_RESOURCE & 1)


def note_settings() -> dict[str, str]:
    """The kernel settings as they are now."""
    paths = {name: _SYS / name for name in SYSCTLS}
    return {name: path.read_text().strip() for name, path in paths.items() if path.exists()}


def restore_settings(noted: dict[str, str]) -> None:
    """Put the kernel settings back."""
    for name, value in noted.items():
        path = _SYS / name
        if path.exists() and path.read_text().strip() != value:
            path.write_text(value)


def note_missing_folders() -> list[str]:
    """The folders of others that do not exist yet."""
    return [folder for folder in FOLDERS if not Path(folder).exists()]


def remove_folders(noted: list[str]) -> None:
    """Remove the folders that did not exist before the cluster."""
    for folder in noted:
        shutil.rmtree(folder, ignore_errors=True)


def forward_packets() -> None:
    """Let the kernel pass packets between pods and the outside."""
    (_SYS / "net/ipv4/ip_forward").write_text("1")
    with contextlib.suppress(FileNotFoundError):
        # Without it, pods on one bridge bypass the rules that carry services.
        (_SYS / "net/bridge/bridge-nf-call-iptables").write_text("1")


def _apt(action: str, packages: list[str]) -> bool:
    command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", action, *packages]
    return attend(command, f"apt-get {action}", show=False)
