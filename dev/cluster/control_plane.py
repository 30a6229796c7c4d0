"""A real control plane on loopback: etcd, kube-apiserver and, if wanted, controllers.

It starts in seconds, needs no network, and its programs can be killed, paused and started
again one by one, so that tests can watch what a client does meanwhile.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cluster import processes
from cluster.api import Api
from cluster.builder import program
from cluster.components import (
    API_SERVER,
    AUDIT_POLICY,
    CONTROLLER_MANAGER,
    ETCD,
    LOOPBACK,
    Layout,
    Ports,
    api_server_argv,
    controller_manager_argv,
    etcd_argv,
)
from cluster.errors import ClusterError, StartError
from cluster.kubeconfig import write_kubeconfig
from cluster.pki import Authority, Certificate
from cluster.processes import Service

READY_SECONDS = 60.0
_PORT_ATTEMPTS = 3
# The API server would wait a minute for its watchers to go; they notice by themselves.
_GRACE_SECONDS = 2.0


class ControlPlane:
    """One control plane, its files in one folder.

    Args:
        layout: how it is run; `for_tests` makes one.
        binaries: folder that holds etcd, kube-apiserver and kube-controller-manager (as
            envtest's assets do); by default they are built.
    """

    def __init__(self, layout: Layout, binaries: Path | None = None) -> None:
        self.layout = layout
        self._binaries = binaries
        self.authority = Authority(layout.folder / "pki")
        self.admin = self.authority.issue(Certificate("admin", "admin", "system:masters"))
        self.kubeconfig = self._write_kubeconfig()

    @classmethod
    def for_tests(
        cls,
        folder: Path,
        *,
        controllers: Sequence[str] = (),
        audit: bool = False,
        binaries: Path | None = None,
        api_server_args: Sequence[str] = (),
        controller_manager_args: Sequence[str] = (),
    ) -> ControlPlane:
        """A control plane on free ports that ends with this process, not started yet.

        Args:
            folder: an empty folder.
            controllers: as `job-controller`, `garbage-collector-controller`,
                `namespace-controller`; the controller manager runs only if there are any.
            audit: write the audit log, see `cluster.audit_log`.
            binaries: as for the class.
            api_server_args: appended to the API server's command line.
            controller_manager_args: appended to the controller manager's command line.
        """
        layout = Layout(
            folder=folder,
            controllers=tuple(controllers),
            audit=audit,
            dies_with_starter=True,
            api_server_args=tuple(api_server_args),
            controller_manager_args=tuple(controller_manager_args),
            ports=Ports.free(),
        )
        return cls(layout, binaries)

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self.layout.server

    @property
    def logs(self) -> Path:
        """The folder of the programs' logs."""
        return self.layout.folder / "run"

    @property
    def components(self) -> tuple[str, ...]:
        """The programs that this control plane consists of, in the order of their start."""
        return (ETCD, API_SERVER, *([CONTROLLER_MANAGER] if self.layout.controllers else []))

    def api(self, user_agent: str = "preftrain-cluster") -> Api:
        """A client with all rights."""
        return Api(self.kubeconfig, user_agent)

    def user_kubeconfig(self, name: str, group: str = "") -> Path:
        """A kubeconfig of another user, who has the rights that RBAC gives and no others."""
        pair = self.authority.issue(Certificate(f"user-{name}", name, group))
        path = self.layout.folder / f"{name}.kubeconfig"
        return write_kubeconfig(path, self.server, self.authority.certificate, pair)

    def start(self) -> None:
        """Start what does not run yet and wait until the API server is ready.

        Raises:
            StartError: a program ended or was not ready in time.
        """
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            try:
                self._start()
                return
            except StartError as failure:
                # Another process took a port between the choice and the start.
                lost = self.layout.dies_with_starter and "address already in use" in str(failure)
                self.stop()
                if not lost or attempt == _PORT_ATTEMPTS:
                    raise
                self.layout = replace(self.layout, ports=Ports.free())
                self.kubeconfig = self._write_kubeconfig()

    def stop(self) -> None:
        """End all programs, clients first; their data stay."""
        for component in reversed(self.components):
            processes.stop(self._started(component), grace_seconds=_GRACE_SECONDS)

    def start_component(self, component: str) -> None:
        """Start one program and wait until it serves."""
        processes.start(self._service(component))
        self._wait_ready(component)

    def restart(self, component: str) -> None:
        """End one program in an orderly way and start it again on the same port and data."""
        processes.stop(self._started(component), grace_seconds=_GRACE_SECONDS)
        self.start_component(component)

    def kill(self, component: str) -> None:
        """End one program by SIGKILL; `start_component` brings it back."""
        processes.kill(self._started(component))

    def pause(self, component: str) -> None:
        """Freeze one program: connections stay open, nothing is answered."""
        processes.pause(self._started(component))

    def resume(self, component: str) -> None:
        """Let a frozen program go on."""
        processes.resume(self._started(component))

    def pid(self, component: str) -> int | None:
        """The process number of a program while it runs, to read its CPU time from /proc."""
        found = processes.running(self._started(component))
        return found.pid if found is not None else None

    def _start(self) -> None:
        if self.layout.audit:
            self.layout.folder.joinpath("audit-policy.yaml").write_text(AUDIT_POLICY)
        # The API server waits for etcd by itself; the controller manager ends when the API
        # server takes more than ten seconds, as it does on a busy machine.
        processes.start(self._service(ETCD))
        for component in self.components[1:]:
            self.start_component(component)

    def _started(self, component: str) -> Service:
        """A program to look at or to end: its command, and so a build, is not needed."""
        return Service(component, self.logs, ())

    def _service(self, component: str) -> Service:
        binary = self._binaries / component if self._binaries else program(component)
        match component:
            case "etcd":
                argv = etcd_argv(binary, self.layout, self.authority)
            case "kube-apiserver":
                argv = api_server_argv(binary, self.layout, self.authority)
            case "kube-controller-manager":
                argv = controller_manager_argv(binary, self.layout, self.authority, self.kubeconfig)
            case _:
                raise ClusterError(f"a control plane has no {component}")
        return Service(component, self.logs, argv, dies_with_starter=self.layout.dies_with_starter)

    def _wait_ready(self, component: str) -> None:
        ports = {
            ETCD: self.layout.ports.etcd,
            CONTROLLER_MANAGER: self.layout.ports.controller_manager,
        }
        if component == API_SERVER:
            ready = self.api().is_ready
        else:

            def ready() -> bool:
                return _accepts(ports[component])

        processes.wait_ready(self._started(component), ready, READY_SECONDS)

    def _write_kubeconfig(self) -> Path:
        path = self.layout.folder / "kubeconfig"
        return write_kubeconfig(path, self.server, self.authority.certificate, self.admin)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0
