"""Jobs that are not started, and why."""

from __future__ import annotations

import pytest

from support.operator_process import USER_AGENT
from support.operator_world import World
from support.training_jobs import condition_of, make_spec
from support.waiting import eventually

pytestmark = pytest.mark.integration


@pytest.mark.case(19)
def test_what_this_release_cannot_do_is_refused_and_can_be_corrected(world: World) -> None:
    """The message names the field; nothing is started; an edit starts the job."""
    world.jobs.create("run", make_spec(guards=[{"name": "Stall", "action": "Stop"}]))
    status = world.jobs.wait("run", "Failed", reason="Unsupported")
    assert condition_of(status, "Accepted")["status"] == "False"
    assert "guards" in condition_of(status, "Accepted")["message"]
    assert condition_of(status, "Stalled")["status"] == "True"
    assert "startTime" not in status
    assert world.jobs.jobs() == []
    world.jobs.patch("run", {"guards": None})
    world.kubelet.pending("prepare")
    status = world.jobs.status("run")
    assert condition_of(status, "Accepted")["status"] == "True"
    assert condition_of(status, "Failed")["status"] == "False"
    assert condition_of(status, "Stalled")["status"] == "False"


def test_an_image_that_is_not_allowed_is_refused(world: World) -> None:
    """compute.image must be on the allow-list of the installation."""
    compute = {"accelerator": "CPU", "image": "elsewhere/miner:latest"}
    world.jobs.create("run", make_spec(compute=compute))
    status = world.jobs.wait("run", "Accepted", "False", "ImageNotAllowed")
    assert "elsewhere/miner:latest" in condition_of(status, "Ready")["message"]


@pytest.mark.case(11, 13)
def test_a_name_that_another_owner_holds_is_not_taken_over(world: World) -> None:
    """A foreign Job of the wanted name is left alone and told about."""
    container = {"name": "main", "image": "none"}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    foreign = {"metadata": {"name": "run-r1-prepare"}, "spec": {"template": template}}
    path = f"/apis/batch/v1/namespaces/{world.namespace}/jobs"
    created = world.server.api().call("POST", path, foreign)
    world.jobs.create("run")
    status = world.jobs.wait("run", "Ready", "False", "NameTaken")
    assert condition_of(status, "Reconciling")["status"] == "True"
    found = world.jobs.jobs()
    assert [job["metadata"]["uid"] for job in found] == [created["metadata"]["uid"]]


def allow_no(world: World, resource: str) -> None:
    """A quota that lets nothing of `resource` into the namespace."""
    path = f"/api/v1/namespaces/{world.namespace}/resourcequotas"
    hard = {resource: "0"}
    quota = {"metadata": {"name": "none"}, "spec": {"hard": hard}}
    world.server.api().call("POST", path, quota)
    status = {"status": {"hard": hard, "used": hard}}
    world.server.api().call("PATCH", f"{path}/none/status", status)


def allow_all(world: World) -> None:
    """Take the quota away."""
    path = f"/api/v1/namespaces/{world.namespace}/resourcequotas/none"
    world.server.api().call("DELETE", path)


@pytest.mark.fault(24, 25)
def test_a_pod_that_a_quota_forbids_is_told_and_waited_for(world: World) -> None:
    """The Job is there and its controller may make no pod, which only Events say."""
    allow_no(world, "pods")
    world.jobs.create("run")
    status = world.jobs.wait("run", "Ready", "False", "QuotaExceeded")
    told = condition_of(status, "Ready")["message"]
    assert "exceeded quota: none" in told
    assert "raise the quota" in told
    assert condition_of(status, "Failed")["status"] == "False"


@pytest.mark.fault(25)
def test_a_pod_that_a_policy_forbids_is_told_with_its_words(world: World) -> None:
    """A limit on what containers may ask for stands here for any admission plug-in or webhook."""
    path = f"/api/v1/namespaces/{world.namespace}/limitranges"
    limits = [{"type": "Container", "max": {"cpu": "10m"}}]
    world.server.api().call("POST", path, {"metadata": {"name": "x"}, "spec": {"limits": limits}})
    world.jobs.create("run")
    status = world.jobs.wait("run", "Ready", "False", "AdmissionRejected")
    assert "cpu limit of 10m" in condition_of(status, "Ready")["message"]
    (event,) = [item for item in world.jobs.events("run") if item["type"] == "Warning"]
    assert (event["reason"], event["count"]) == ("AdmissionRejected", 1)


@pytest.mark.fault(24)
def test_a_quota_is_told_and_waited_for(world: World) -> None:
    """A quota that forbids the Job is no failure: it may be raised. Events alone, as those of
    somebody's writes into the status, are no reason to try again.
    """
    allow_no(world, "count/jobs.batch")
    world.jobs.create("run")
    found = world.jobs.wait("run", "Ready", "False", "QuotaExceeded")
    assert condition_of(found, "Failed")["status"] == "False"
    for number in range(3):
        looks = len(requests(world, "list", "jobs"))
        world.jobs.edit("run", {"status": {"gpuSeconds": number + 1}}, subresource="/status")
        wait_for_looks(world, looks + 1)
    assert requests(world, "create", "jobs") == [403]
    allow_all(world)
    world.jobs.patch("run", {"ttlSecondsAfterFinished": 600})
    world.kubelet.pending("prepare")
    assert requests(world, "create", "jobs") == [403, 201]


def wait_for_looks(world: World, count: int) -> None:
    """Wait until the operator has looked so often at the Jobs of this test."""
    eventually(lambda: len(requests(world, "list", "jobs")) >= count, "the event is looked at")


def requests(world: World, verb: str, resource: str) -> list[int]:
    """What the operator was answered to such requests in the test's namespace."""
    sent = world.server.requests(USER_AGENT, world.namespace)
    return [item.status for item in sent if (item.verb, item.resource) == (verb, resource)]
