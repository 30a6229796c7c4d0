"""The cluster in a container of a Docker engine, by kind.

kind brings Kubernetes in an image of its own, so this module starts, ends and loads, and
decides nothing about the programs inside.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from cluster import images
from cluster.api import Api
from cluster.builder import program
from cluster.errors import ApiError, BuildError, ClusterError
from cluster.place import Place
from cluster.report import say
from cluster.shell import attend, run, succeeds

NAME = "preftrain"
READY_SECONDS = 300


def docker_answers() -> bool:
    """Whether there is a Docker engine, not only its client."""
    return succeeds(["docker", "info", "--format", "{{.ServerVersion}}"])


class KindCluster:
    """A cluster in one container.

    Args:
        place: the folder of its kubeconfig.
    """

    node_name = f"{NAME}-control-plane"

    def __init__(self, place: Place) -> None:
        self._place = place
        self._note = place.state / "kind"

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig with all rights."""
        return self._place.kubeconfig

    @property
    def host_address(self) -> str:
        """The gateway of kind's network, which is this machine."""
        networks = json.loads(run(["docker", "network", "inspect", "kind"]))
        pools = networks[0]["IPAM"]["Config"]
        return next(str(pool["Gateway"]) for pool in pools if "." in pool.get("Gateway", ""))

    def is_noted(self) -> bool:
        """Whether `up` has made this cluster and `down` has not ended it."""
        return self._note.exists()

    def up(self) -> None:
        """Make the cluster, or start its container again after a reboot."""
        self._place.state.mkdir(parents=True, exist_ok=True)
        self._note.touch()
        kind = str(_kind())
        if NAME in run([kind, "get", "clusters"]).split():
            run(["docker", "start", self.node_name], timeout_seconds=READY_SECONDS)
            run([kind, "export", "kubeconfig", "--name", NAME, *self._kubeconfig_option()])
        else:
            self._create(kind)
        if not all(self.status().values()):
            wait = ["kubectl", "wait", "--for=condition=Ready", f"node/{self.node_name}"]
            inside = ["docker", "exec", self.node_name, *wait, "--timeout=120s"]
            run([*inside, "--kubeconfig=/etc/kubernetes/admin.conf"], timeout_seconds=130)

    def down(self, *, purge: bool) -> None:
        """Delete the container; `purge` has nothing more to delete, kind keeps no images."""
        del purge
        if docker_answers():
            kind = str(_kind())
            run([kind, "delete", "cluster", "--name", NAME, *self._kubeconfig_option()])
        shutil.rmtree(self._place.state, ignore_errors=True)

    def status(self) -> Mapping[str, bool]:
        """The container and the node."""
        state = ["docker", "inspect", "--format", "{{.State.Running}}", self.node_name]
        is_running = succeeds(state) and run(state).strip() == "true"
        return {"container": is_running, "node Ready": is_running and self._is_node_ready()}

    def load(self, path: Path, name: str | None) -> str:
        """Bring an image in an OCI layout onto the node; its full name."""
        inside = ["docker", "exec", "--interactive", self.node_name]
        return images.load([*inside, "ctr", "--namespace", "k8s.io"], path, name)

    def _create(self, kind: str) -> None:
        say("making a cluster with kind; the first time it fetches its image (400 MB)")
        create = [kind, "create", "cluster", "--name", NAME, "--wait", f"{READY_SECONDS}s"]
        if not attend([*create, *self._kubeconfig_option()], "kind create cluster"):
            raise ClusterError(
                "kind could not make the cluster; its words are above. As root,"
                " `python -m cluster up --backend local` does without Docker"
            )

    def _kubeconfig_option(self) -> list[str]:
        return ["--kubeconfig", str(self.kubeconfig)]

    def _is_node_ready(self) -> bool:
        try:
            node = Api(self.kubeconfig).get(f"/api/v1/nodes/{self.node_name}")
        except (ApiError, OSError):
            return False
        conditions = node["status"].get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _kind() -> Path:
    on_path = shutil.which("kind")
    try:
        return Path(on_path) if on_path is not None else program("kind")
    except BuildError as error:
        raise ClusterError(f"install kind (https://kind.sigs.k8s.io), or: {error}") from None
