"""API server and etcd go away and come back while a job runs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.components import API_SERVER, ETCD
from cluster.control_plane import ControlPlane
from support.control_plane import UNLIMITED, ApiServer, install_crd, own_control_plane
from support.fault_suite import FULL, OUTAGE_SECONDS
from support.lives import SKIP, Life, living
from support.training_jobs import TRAINED, make_spec
from support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.xdist_group("outages")]

PARTS = (API_SERVER, ETCD)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane whose parts may be killed: no other test uses it."""
    folder = tmp_path_factory.mktemp("fragile")
    found = own_control_plane(folder, controller_manager_args=UNLIMITED)
    found.start()
    try:
        install_crd(found.api())
        yield found
    finally:
        found.stop()


@pytest.fixture
def life(plane: ControlPlane, tmp_path: Path) -> Iterator[Life]:
    """A life in a namespace of its own, its operator at work."""
    name = f"outage-{uuid.uuid4().hex[:8]}"
    plane.api().call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    with living(ApiServer(plane.kubeconfig, plane), name, tmp_path) as found:
        found.operator.start()
        yield found


@pytest.mark.fault(2)
@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_control_plane_is_away(plane: ControlPlane, life: Life, part: str) -> None:
    """Nothing is concluded from silence; the same process goes on and finds everything."""
    life.jobs.create("run", make_spec(dataset=SKIP, maxRetries=0))
    pod = life.kubelet.run(life.kubelet.pending("train"))
    before = life.jobs.wait("run", "Running", reason="Training")
    process = life.operator.pid
    told = len(life.operator.log())
    plane.kill(part)
    if FULL or part == API_SERVER:
        eventually(lambda: "resync failed" in life.operator.log()[told:], "it is noticed", 120)
    else:
        # Without etcd requests hang for half a minute before the API server fails them.
        eventually(lambda: not plane.api().is_ready(), "the API server is not ready", 60)
    life.endure(OUTAGE_SECONDS)
    plane.start_component(part)
    eventually(plane.api().is_ready, "the API server is ready", 120)
    life.settle()
    assert life.operator.pid == process
    assert life.jobs.status("run") == before
    life.kubelet.end(pod, 0, TRAINED)
    after = life.jobs.wait("run", "Succeeded")
    assert [entry["podUid"] for entry in after["attempts"]] == [pod["metadata"]["uid"]]
    assert life.created_jobs() == ["run-r1-1"]
    # What was applied during the outage could not be; what is applied after it starts at once.
    life.jobs.create("next", make_spec(dataset=SKIP))
    life.kubelet.pending("train", job="next-r1-1")
