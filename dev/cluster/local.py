"""The cluster without a container engine: a control plane, containerd and a kubelet.

`up` starts what does not run, in whatever state a crash or a reboot left the rest; `down`
ends and removes everything, found by name rather than by memory.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from cluster import cgroups, containerd, firewall, images, machine, network, node, processes
from cluster.api import Api
from cluster.builder import program
from cluster.components import Layout, Ports
from cluster.control_plane import ControlPlane
from cluster.errors import ApiError, ClusterError
from cluster.leftovers import end_processes, leftovers, unmount
from cluster.oci import write_scratch_image
from cluster.place import BRIDGE_ADDRESS, NODE_NAME, RUN_DIR, Place
from cluster.processes import Service
from cluster.report import say

API_PORT = 6443
CONTROLLER_MANAGER_PORT = 10257
READY_SECONDS = 120.0
_NODE_PROGRAMS = (node.SCHEDULER, node.KUBELET, node.PROXY)


@dataclass(frozen=True, slots=True)
class Record:
    """What `up` notes before it changes anything.

    Attributes:
        ports: of the control plane.
        settings: kernel settings as they were.
        folders: folders of others that did not exist.
    """

    ports: Ports
    settings: dict[str, str]
    folders: list[str]


class LocalCluster:
    """The cluster on this machine.

    Args:
        place: its folders.
    """

    node_name = NODE_NAME
    host_address = BRIDGE_ADDRESS

    def __init__(self, place: Place) -> None:
        self._place = place

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig with all rights."""
        return self._place.kubeconfig

    def up(self) -> None:
        """Start what does not run and wait until the node is Ready."""
        machine.require_root()
        machine.install_packages()
        for name in ("controlplane", "node", "pause"):
            program(name)
        is_new = not self._place.record.exists()
        record = self._note()
        self._prepare_machine()
        plane = ControlPlane(self._layout(record.ports))
        self._start_containerd(is_new=is_new)
        plane.start()
        for service in self._node_services(plane):
            processes.start(service)
        self._wait_for_node(plane.api())
        down = [part for part, is_well in self.status().items() if not is_well]
        if down:
            raise ClusterError(f"not running: {', '.join(down)}; their logs are in {plane.logs}")

    def down(self, *, purge: bool) -> None:
        """End and remove everything.

        Raises:
            ClusterError: something could not be removed; the message lists it.
        """
        machine.require_root()
        place = self._place
        record = self._read_record()
        for component in reversed(_NODE_PROGRAMS):
            processes.stop(Service(component, place.logs, ()))
        if containerd.answers(place):
            say("ending the containers")
            containerd.remove_containers(place)
        for component in ("containerd", *reversed(_control_plane_programs())):
            processes.stop(Service(component, place.logs, ()), grace_seconds=5)
        end_processes(place)
        cgroups.remove_cgroups()
        unmount(place)
        network.remove_bridge()
        firewall.remove_rules()
        if record is not None:
            machine.restore_settings(record.settings)
            machine.remove_folders(record.folders)
        for folder in [RUN_DIR, *([place.images] if purge else []), place.state]:
            shutil.rmtree(folder, ignore_errors=True)
        left = leftovers(place)
        if left:
            raise ClusterError("\n  ".join(["these could not be removed:", *left]))

    def status(self) -> Mapping[str, bool]:
        """Each program, the bridge and the node."""
        names = ["containerd", *_control_plane_programs(), *_NODE_PROGRAMS]
        services = {name: Service(name, self._place.logs, ()) for name in names}
        found = {name: processes.running(each) is not None for name, each in services.items()}
        found["bridge"] = network.bridge_exists()
        found["node Ready"] = all(found.values()) and _is_node_ready(Api(self.kubeconfig))
        return found

    def load(self, path: Path, name: str | None) -> str:
        """Bring an image in an OCI layout onto the node; its full name."""
        if not containerd.answers(self._place):
            raise ClusterError("the cluster does not run; start it by `make cluster-up`")
        return images.load(containerd.ctr(self._place), path, name)

    def _note(self) -> Record:
        noted = self._read_record()
        if noted is not None:
            return noted
        foreign = firewall.kubernetes_chains()
        if foreign:
            raise ClusterError(
                f"another Kubernetes node runs on this machine, or left its rules ({foreign[0]});"
                " end it first, or run `make cluster-down` if it was this cluster"
            )
        free = Ports.free()
        ports = Ports(API_PORT, free.etcd, free.etcd_peer, CONTROLLER_MANAGER_PORT)
        record = Record(ports, machine.note_settings(), machine.note_missing_folders())
        self._place.state.mkdir(parents=True, exist_ok=True)
        self._place.state.chmod(0o700)
        unfinished = self._place.record.with_suffix(".new")
        unfinished.write_text(json.dumps(asdict(record), indent=2) + "\n")
        unfinished.rename(self._place.record)
        return record

    def _read_record(self) -> Record | None:
        try:
            content = json.loads(self._place.record.read_text())
        except FileNotFoundError:
            return None
        return Record(Ports(**content["ports"]), content["settings"], content["folders"])

    def _prepare_machine(self) -> None:
        machine.forward_packets()
        network.add_bridge()
        firewall.add_rules()
        cgroups.add_cgroups()

    def _layout(self, ports: Ports) -> Layout:
        return Layout(self._place.state, ports, address=BRIDGE_ADDRESS, controllers=("*",))

    def _start_containerd(self, *, is_new: bool) -> None:
        pause = program("pause")
        pause_image = f"preftrain.local/pause:{pause.parent.name}"
        configs = network.write_cni_config(self._place)
        service = containerd.service(self._place, configs, pause_image)
        processes.start(service)
        processes.wait_ready(service, lambda: containerd.answers(self._place), READY_SECONDS)
        if is_new:
            # Of a cluster whose state was deleted by hand: nobody else would remove them.
            containerd.remove_containers(self._place)
        archive = write_scratch_image(pause, pause_image, self._place.state / "pause.tar")
        images.load(containerd.ctr(self._place), archive)

    def _node_services(self, plane: ControlPlane) -> list[Service]:
        place, authority = self._place, plane.authority
        configs = {
            name: node.kubeconfig_of(name, place, plane.server, authority)
            for name in _NODE_PROGRAMS
        }
        commands = {
            node.SCHEDULER: node.scheduler_argv(program(node.SCHEDULER), configs[node.SCHEDULER]),
            node.KUBELET: node.kubelet_argv(
                program(node.KUBELET), place, configs[node.KUBELET], authority
            ),
            node.PROXY: node.proxy_argv(program(node.PROXY), configs[node.PROXY]),
        }
        return [Service(name, place.logs, argv) for name, argv in commands.items()]

    def _wait_for_node(self, api: Api) -> None:
        kubelet = Service(node.KUBELET, self._place.logs, ())
        processes.wait_ready(kubelet, lambda: _is_node_ready(api), READY_SECONDS)


def _control_plane_programs() -> tuple[str, ...]:
    return ("etcd", "kube-apiserver", "kube-controller-manager")


def _is_node_ready(api: Api) -> bool:
    try:
        conditions = api.get(f"/api/v1/nodes/{NODE_NAME}")["status"].get("conditions", [])
    except (ApiError, OSError):
        return False
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
