"""Fixtures of a real Kubernetes API server, one for each test process.

An existing one is taken from PREFTRAIN_TEST_KUBECONFIG; otherwise one is started from the
programs in KUBEBUILDER_ASSETS (envtest), or from programs built here.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from cluster.api import Api
from cluster.audit_log import Request, read_requests
from cluster.control_plane import ControlPlane
from cluster.errors import ApiError
from support.waiting import eventually

CRD_FILE = Path(__file__).parents[2] / "crds" / "preferencetrainingjobs.yaml"
UNLIMITED = ("--kube-api-qps=1000", "--kube-api-burst=1000")
"""For the controller manager: tests would mostly wait for its limit of 20 requests a second."""
CONTROLLERS = ("job-controller", "namespace-controller", "garbage-collector-controller")


@dataclass(frozen=True, slots=True)
class ApiServer:
    """The API server that the tests talk to.

    Attributes:
        kubeconfig: a kubeconfig with all rights.
        started: what was started for the tests; None for a server that was there before.
    """

    kubeconfig: Path
    started: ControlPlane | None

    def api(self, user_agent: str = "preftrain-tests") -> Api:
        """A client with all rights."""
        return Api(self.kubeconfig, user_agent)

    def requests(self, user_agent_prefix: str, namespace: str = "") -> list[Request]:
        """What a client has sent, from the audit log; skips the test where there is none."""
        if self.started is None or not self.started.layout.audit:
            pytest.skip("needs the audit log of an API server that the tests start")
        return [
            request
            for request in read_requests(self.started.layout.audit_log, namespace=namespace)
            if request.user_agent.startswith(user_agent_prefix)
        ]


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real API server, with the Job controller where the tests start it."""
    existing = os.environ.get("PREFTRAIN_TEST_KUBECONFIG")
    if existing:
        yield ApiServer(Path(existing), None)
        return
    folder = tmp_path_factory.mktemp("control-plane")
    started = own_control_plane(folder, controller_manager_args=UNLIMITED)
    started.start()
    try:
        yield ApiServer(started.kubeconfig, started)
    finally:
        started.stop()


def own_control_plane(
    folder: Path, *, audit: bool = True, controller_manager_args: Sequence[str] = ()
) -> ControlPlane:
    """A control plane of a test's own, not started: for tests that kill or pause its parts."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    binaries = Path(assets) if assets else None
    # envtest's assets hold no controller manager.
    complete = binaries is None or (binaries / "kube-controller-manager").exists()
    controllers = CONTROLLERS if complete else ()
    return ControlPlane.for_tests(
        folder,
        controllers=controllers,
        audit=audit,
        binaries=binaries,
        controller_manager_args=controller_manager_args,
    )


@pytest.fixture(scope="session")
def crd_installed(control_plane: ApiServer) -> ApiServer:
    """The API server, once it serves PreferenceTrainingJobs."""
    install_crd(control_plane.api())
    return control_plane


def install_crd(api: Api, file: Path = CRD_FILE) -> None:
    """Apply a CRD and wait until the API server serves it."""
    definition = yaml.safe_load(file.read_text())
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    name = definition["metadata"]["name"]
    query = "?fieldManager=preftrain-tests&force=true"
    api.call("PATCH", f"{path}/{name}{query}", definition, patch_type="apply-patch")
    spec = definition["spec"]
    served = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
    eventually(lambda: api.request("GET", served)[0] == 200, f"{served} is served")


@pytest.fixture
def namespace(control_plane: ApiServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own."""
    label = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    name = f"{label}-{uuid.uuid4().hex[:8]}"
    api = control_plane.api()
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    try:
        api.call("DELETE", f"/api/v1/namespaces/{name}")
    except ApiError as error:
        if error.status != 404:
            raise
