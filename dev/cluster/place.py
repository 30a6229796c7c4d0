"""Where one cluster keeps what is its own: names, folders and addresses.

Everything that a cluster leaves on the machine carries one of these names, so that `down`
finds it by name, whatever became of the processes that made it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError
from cluster.paths import cache_dir, cluster_dir

BRIDGE = "preftrain0"
SUBNET = "10.230.0.0/24"
BRIDGE_ADDRESS = "10.230.0.1"
NODE_NAME = "preftrain"
CGROUP = "preftrain"
NETWORK_NAME = "preftrain"
RUN_DIR = Path("/run/preftrain-cluster")
"""Sockets, mounts and tasks: gone after a reboot, as they must be."""

# The kubelet makes Unix sockets below the state folder; the kernel takes 107 characters.
_LONGEST_STATE_PATH = 60


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one cluster.

    Attributes:
        state: data, certificates, logs and pid files; removed by `down`.
        images: containerd's content and snapshots; kept by `down`, because loading gigabytes
            again takes minutes, and removed with `--purge`.
    """

    state: Path
    images: Path

    @classmethod
    def of_user(cls) -> Place:
        """The place of this user's cluster.

        Raises:
            ClusterError: its path is too long for the sockets in it.
        """
        state = cluster_dir()
        if len(str(state)) > _LONGEST_STATE_PATH:
            raise ClusterError(
                f"PREFTRAIN_CLUSTER_DIR is {len(str(state))} characters long, and sockets below it"
                f" allow {_LONGEST_STATE_PATH}: name a shorter folder"
            )
        return cls(state, cache_dir() / "containerd")

    @property
    def logs(self) -> Path:
        """Pid files and logs of the programs."""
        return self.state / "run"

    @property
    def kubelet(self) -> Path:
        """The kubelet's working folder, in which volumes are mounted."""
        return self.state / "kubelet"

    @property
    def pod_logs(self) -> Path:
        """The containers' output."""
        return self.state / "pods"

    @property
    def kubeconfig(self) -> Path:
        """What kubectl, Helm and the tests are given."""
        return self.state / "kubeconfig"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd listens."""
        return RUN_DIR / "containerd.sock"

    @property
    def record(self) -> Path:
        """What `up` noted about this cluster and about the machine before it."""
        return self.state / "cluster.json"
