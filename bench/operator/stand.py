"""The stand: a control plane of its own, and the processes of the system that is measured."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.operator.audit import POLICY, Clients, Tail
from bench.operator.errors import BenchError
from bench.operator.limits import Limits
from bench.operator.load import USER_AGENT
from bench.operator.processes import Sample, memory_of, sample
from bench.operator.system import ROOT, Process, System, fill_in
from cluster.api import Api
from cluster.components import API_SERVER, CONTROLLER_MANAGER, ETCD
from cluster.control_plane import ControlPlane
from cluster.kubectl import kubectl

NAMESPACE: Final = "bench"
CONTROLLERS: Final = (
    "job-controller",
    "garbage-collector-controller",
    "namespace-controller",
)
_READY_SECONDS: Final = 120.0
_DISCOVERY_SECONDS: Final = 30.0
_LARGEST_LOG_MIB: Final = 8192


class Stand:
    """What runs while one system is measured.

    Attributes:
        plane: etcd, API server and controller manager.
        api: a client with all rights.
        path: of the system's objects in the namespace.
        resource: the plural of their kind.
    """

    def __init__(self, system: System, limits: Limits, folder: Path) -> None:
        self.system = system
        self.limits = limits
        self._folder = folder
        policy = folder / "policy.yaml"
        policy.write_text(POLICY)
        self.plane = ControlPlane.for_tests(
            folder / "control-plane",
            controllers=CONTROLLERS,
            audit=True,
            api_server_args=[
                f"--audit-policy-file={policy}",
                # Without it the log begins anew after 100 MB, and calls would be lost.
                f"--audit-log-maxsize={_LARGEST_LOG_MIB}",
            ],
            controller_manager_args=limits.controller_manager_args,
        )
        self.api = Api(self.plane.kubeconfig, USER_AGENT)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.path = ""
        self.resource = ""

    @property
    def audit_log(self) -> Path:
        """The API server's audit log."""
        return self.plane.layout.audit_log

    @property
    def clients(self) -> Clients:
        """Who sends requests here."""
        own = {name: process.agents for name, process in self.system.processes.items()}
        known = {"load generator": (USER_AGENT,), CONTROLLER_MANAGER: (CONTROLLER_MANAGER,)}
        return Clients({**own, **known})

    def tail(self) -> Tail:
        """A count of the writes in the namespace."""
        return Tail(self.audit_log, NAMESPACE)

    def start(self) -> None:
        """Start everything and wait until it is at work.

        Raises:
            BenchError: a process of the system did not become ready, or its kind is not served.
        """
        self.plane.start()
        # The port may have been chosen anew.
        self.api = Api(self.plane.kubeconfig, USER_AGENT)
        self.api.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        for file in self.system.setup:
            self._apply(ROOT / file)
        self.path, self.resource = self._discover()
        # The garbage collector learns of new kinds half a minute late, and until then asks for
        # the owner of every object.
        self.plane.restart(CONTROLLER_MANAGER)
        for name in self.system.processes:
            self.start_process(name)

    def stop(self) -> None:
        """End everything."""
        for name in tuple(self._running):
            self.kill(name)
        self.plane.stop()

    def start_process(self, name: str, *, wait: bool = True) -> None:
        """Start one process of the system."""
        process = self.system.processes[name]
        raised = self.limits.name == "raised"
        values = {"kubeconfig": str(self.plane.kubeconfig), "namespace": NAMESPACE}
        argv = [*process.argv, *(process.raised_argv if raised else ())]
        added = {**process.environment, **(process.raised_environment if raised else {})}
        seen = len(self.log_of(name))
        with self._log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                [fill_in(part, values) for part in argv],
                env={**os.environ, **{key: fill_in(text, values) for key, text in added.items()}},
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        if wait:
            self._wait_ready(name, process, seen)

    def kill(self, name: str) -> None:
        """End one process of the system by SIGKILL."""
        running = self._running.pop(name)
        running.kill()
        running.wait()

    def log_of(self, name: str) -> str:
        """All that a process of the system has logged."""
        log = self._log(name)
        return log.read_text(errors="replace") if log.exists() else ""

    def pids(self) -> dict[str, int]:
        """Every process but the load generator, by name."""
        found = {name: self.plane.pid(name) for name in (ETCD, API_SERVER, CONTROLLER_MANAGER)}
        lost = [name for name, pid in found.items() if pid is None]
        lost += [name for name, running in self._running.items() if running.poll() is not None]
        if lost:
            raise BenchError(f"{', '.join(lost)} ended while being measured")
        own = {name: running.pid for name, running in self._running.items()}
        return {**own, **{name: pid for name, pid in found.items() if pid is not None}}

    def sample(self) -> Sample:
        """CPU time of all processes now."""
        return sample(self.pids())

    def memory(self, field: str = "VmRSS") -> dict[str, float]:
        """MiB of every process."""
        return {name: memory_of(pid, field) for name, pid in self.pids().items()}

    def _apply(self, file: Path) -> None:
        command = [str(kubectl()), "--kubeconfig", str(self.plane.kubeconfig), "apply"]
        done = subprocess.run(
            [*command, "--server-side", "-f", str(file)], capture_output=True, text=True
        )
        if done.returncode:
            raise BenchError(f"{file} could not be applied: {done.stderr.strip()}")

    def _discover(self) -> tuple[str, str]:
        version, kind = self.system.manifest["apiVersion"], self.system.manifest["kind"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        for _ in _until(_DISCOVERY_SECONDS):
            if self.api.request("GET", root)[0] != 200:
                continue
            for found in self.api.get(root)["resources"]:
                path = f"{root}/namespaces/{NAMESPACE}/{found['name']}"
                if found["kind"] != kind or "/" in found["name"]:
                    continue
                # A new kind is listed a moment before it is served.
                if self.api.request("GET", path)[0] == 200:
                    return path, found["name"]
        raise BenchError(f"the API server does not serve {kind} of {version}; see `setup`")

    def _wait_ready(self, name: str, process: Process, seen: int) -> None:
        for _ in _until(_READY_SECONDS):
            if process.ready in self.log_of(name)[seen:]:
                return
            if self._running[name].poll() is not None:
                break
        tail = self.log_of(name)[-2000:]
        raise BenchError(f"{name} did not become ready; the end of its log:\n{tail}")

    def _log(self, name: str) -> Path:
        return self._folder / f"{name.replace(' ', '-')}.log"


def _until(seconds: float) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.05)


@contextmanager
def standing(system: System, limits: Limits, folder: Path) -> Iterator[Stand]:
    """A stand that is ended with the block."""
    stand = Stand(system, limits, folder)
    try:
        stand.start()
        yield stand
    finally:
        stand.stop()
