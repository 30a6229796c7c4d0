"""Somebody edits and deletes what the operator and the Job controller have made."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api_fault_proxy import Exchange, Rule, answer
from support.control_plane import ApiServer
from support.fault_suite import FULL
from support.kubelet import Json
from support.lives import SKIP, Life, is_asked_to_end, living
from support.training_jobs import TRAIN, TRAINED, condition_of, make_spec
from support.waiting import eventually

pytestmark = pytest.mark.integration

USERS_FINALIZER = "example.com/hold"
RESYNC_AS_SHIPPED = {"FIRST_RESYNC_SECONDS": "30", "RESYNC_SECONDS": "300"}
"""Where it is counted how often something is tried: each full list is a reason to try again."""


@pytest.fixture
def life(crd_installed: ApiServer, namespace: str, tmp_path: Path) -> Iterator[Life]:
    """A world with an operator of the test's own, which makes full lists all the time."""
    with living(crd_installed, namespace, tmp_path) as found:
        found.operator.start()
        yield found


def train(life: Life, **members: object) -> Json:
    """A job whose training pod is at work; the pod."""
    life.jobs.create("run", make_spec(dataset=SKIP, **members))
    pod = life.kubelet.run(life.kubelet.pending("train"))
    life.jobs.wait("run", "Running", reason="Training")
    return pod


def is_full_list(exchange: Exchange) -> bool:
    """Of all jobs' children, not of one."""
    return exchange.is_list and exchange.is_cache_fill


def uids(pods: list[Json]) -> list[str]:
    """Of objects."""
    return [pod["metadata"]["uid"] for pod in pods]


@pytest.mark.fault(8, 36)
def test_a_pod_deleted_by_hand_is_replaced_when_it_has_ended(life: Life) -> None:
    """Not before: two at once would share the GPU and the claim. It is not counted."""
    pod = train(life, maxRetries=0)
    delete_pod(life, pod)
    life.kubelet.wait(pod, is_asked_to_end, "the pod is asked to end")
    life.jobs.wait_for_jobs(
        lambda jobs: jobs[0]["status"].get("terminating") == 1, "the Job controller has seen it"
    )
    assert uids(life.kubelet.pods("train")) == uids([pod])
    life.kubelet.end(pod, 75, {"stage": "Train", "step": 7})
    life.kubelet.remove(pod)
    second = life.kubelet.run(life.kubelet.pending("train"))
    status = life.jobs.wait("run", "Running", reason="Training")
    assert [entry.get("podUid") for entry in status["attempts"]] == uids([pod, second])
    assert status.get("retries", 0) == 0


@pytest.mark.fault(9)
def test_a_pod_on_a_lost_node_is_waited_for(life: Life) -> None:
    """The node answers no more: nothing else runs until Kubernetes says that the pod has ended."""
    pod = train(life, maxRetries=0)
    life.kubelet.disrupt(pod)
    delete_pod(life, pod)
    life.jobs.wait_for_jobs(
        lambda jobs: jobs[0]["status"].get("terminating") == 1, "the Job controller has seen it"
    )
    assert uids(life.kubelet.pods("train")) == uids([pod])
    assert "completionTime" not in life.jobs.status("run")
    # What the pod garbage collector does when the node object is gone.
    life.kubelet.end(pod, 137, "", "NodeLost")
    life.kubelet.remove(pod)
    life.kubelet.run(life.kubelet.pending("train"))
    status = life.jobs.wait("run", "Running", reason="Training")
    assert status["attempts"][0]["reason"] == "Preempted"
    assert status.get("retries", 0) == 0


@pytest.mark.fault(36)
def test_a_pod_without_its_owner_reference_stays_the_jobs(life: Life) -> None:
    """The Job controller takes it back, and the run goes on with it."""
    pod = train(life)
    path = f"/api/v1/namespaces/{life.namespace}/pods/{pod['metadata']['name']}"
    life.server.api().call("PATCH", path, {"metadata": {"ownerReferences": None}})
    life.kubelet.end(pod, 0, TRAINED)
    status = life.jobs.wait("run", "Succeeded")
    assert [entry["podUid"] for entry in status["attempts"]] == uids([pod])


@pytest.mark.fault(36)
def test_a_job_without_its_labels_stays_the_current_one(life: Life) -> None:
    """It is found by its name and its owner; no second one is made beside it. Its end is told by
    no watch and no list, so it is asked for.
    """
    pod = train(life)
    # With no label at all the API server would give it those of its pod template again.
    labels = {**dict.fromkeys(life.jobs.jobs()[0]["metadata"]["labels"]), "team": "ours-now"}
    life.jobs.edit_child("run-r1-1", {"metadata": {"labels": labels}})
    life.settle()
    assert "completionTime" not in life.jobs.status("run")
    life.proxy.rules.append(Rule(is_full_list, answer(503, "ServiceUnavailable")))
    life.kubelet.end(pod, 0, TRAINED)
    status = life.jobs.wait("run", "Succeeded")
    assert [entry["podUid"] for entry in status["attempts"]] == uids([pod])
    assert life.created_jobs() == ["run-r1-1"]


@pytest.mark.fault(36)
def test_a_job_without_its_owner_reference_is_somebody_elses(life: Life) -> None:
    """Who takes it away keeps it: the run goes on with the next attempt, which is counted."""
    train(life, maxRetries=1)
    before = life.jobs.edit_child("run-r1-1", {"metadata": {"ownerReferences": None}})
    pod = life.kubelet.run(life.kubelet.pending("train", job="run-r1-2"))
    status = life.jobs.wait("run", "Running", reason="Training")
    assert status["attempts"][0]["reason"] == "JobDeleted"
    life.kubelet.end(pod, 0, TRAINED)
    life.jobs.wait("run", "Succeeded")
    taken = next(job for job in life.jobs.jobs() if job["metadata"]["name"] == "run-r1-1")
    assert taken["metadata"]["uid"] == before["metadata"]["uid"]
    assert taken["spec"] == before["spec"]


@pytest.mark.fault(37)
@pytest.mark.case(30)
@pytest.mark.parametrize(
    "scribble",
    [
        {"attempts": None, "jobRefs": None, "retries": None},
        {"conditions": None, "display": None, "observedGeneration": None},
        {"attempts": [{"number": 7, "job": "not-ours", "message": "\u202e\x07"}]},
    ],
    ids=["without-attempts", "without-conditions", "nonsense"],
)
def test_a_status_that_somebody_wrote_into_is_lived_with(life: Life, scribble: Json) -> None:
    """What is seen of Jobs and pods counts: the run comes to its end."""
    train(life)
    life.jobs.edit("run", {"status": scribble}, subresource="/status")
    finish(life)
    assert life.jobs.status("run")["observedGeneration"] == 1


@pytest.mark.fault(37)
def test_a_status_that_was_wiped_is_made_again(life: Life) -> None:
    """The run begins anew and adopts its artifacts; never do two training pods run at once."""
    train(life)
    wiped = dict.fromkeys(life.jobs.status("run"))
    life.jobs.edit("run", {"status": wiped}, subresource="/status")
    finish(life)
    assert set(life.created_jobs()) == {"run-r1-1"}


@pytest.mark.fault(37)
def test_a_users_finalizer_holds_the_resource_and_nothing_else(life: Life) -> None:
    """Deleted and held, it gets no further Job and no write; let go, all is gone."""
    life.jobs.create("run", make_spec(suspend=True))
    life.jobs.wait("run", "Suspended")
    life.jobs.edit("run", {"metadata": {"finalizers": [USERS_FINALIZER]}})
    life.jobs.delete("run")
    life.settle()
    writes = len(life.proxy.writes)
    life.jobs.patch("run", {"suspend": False})
    life.settle()
    assert len(life.proxy.writes) == writes
    assert life.jobs.jobs() == []
    life.jobs.edit("run", {"metadata": {"finalizers": None}})
    eventually(lambda: life.jobs.is_gone("run"), "the job is gone")


@pytest.mark.fault(37)
def test_a_users_finalizer_on_a_job_holds_up_its_successor(life: Life) -> None:
    """A Job that is on its way out and may not go yet is waited for."""
    pod = train(life)
    life.jobs.edit_child("run-r1-1", {"metadata": {"finalizers": [USERS_FINALIZER]}})
    life.jobs.patch("run", {"suspend": True})
    life.kubelet.wait(pod, is_asked_to_end, "the pod is asked to end")
    life.kubelet.end(pod, 75)
    life.kubelet.remove(pod)
    life.jobs.wait("run", "Suspended", "False", "Suspending")
    eventually(lambda: not life.kubelet.pods("train"), "the pod is gone")
    life.jobs.patch("run", {"suspend": False})
    assert [job["metadata"]["name"] for job in life.jobs.jobs()] == ["run-r1-1"]
    life.jobs.edit_child("run-r1-1", {"metadata": {"finalizers": None}})
    life.kubelet.pending("train", job="run-r1-2")


@pytest.mark.fault(22)
@pytest.mark.case(25)
def test_a_deleted_job_takes_everything_along(life: Life) -> None:
    """Jobs and pods go with it while no operator runs, and nothing else was ever made."""
    pod = train(life)
    life.restarts = False
    life.operator.kill()
    life.jobs.delete("run")
    life.kubelet.wait(pod, is_asked_to_end, "the pod is asked to end")
    life.kubelet.remove(pod)
    life.kubelet.end_if_held(pod)
    eventually(lambda: not life.jobs.jobs() and not life.kubelet.pods(), "all is gone")
    made = {sent.resource for sent, _ in life.proxy.arrived if sent.method == "POST"}
    assert made == {"events", "jobs"}


MOMENTS = ("applied", "preparing", "training", "suspended", "finished")


@pytest.mark.fault(23)
@pytest.mark.parametrize("moment", MOMENTS if FULL else MOMENTS[1:3])
def test_the_namespace_is_deleted(crd_installed: ApiServer, tmp_path: Path, moment: str) -> None:
    """At any moment: it goes as fast as its pods, and the operator does not storm it."""
    name = f"doomed-{uuid.uuid4().hex[:8]}"
    api = crd_installed.api()
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    with living(crd_installed, name, tmp_path, RESYNC_AS_SHIPPED) as life:
        life.operator.start()
        reach(life, moment)
        before = len(life.proxy.arrived)
        api.call("DELETE", f"/api/v1/namespaces/{name}")

        def gone() -> bool:
            for pod in life.kubelet.pods():
                life.kubelet.end_if_held(pod)
                life.kubelet.remove(pod)
            return api.request("GET", f"/api/v1/namespaces/{name}")[0] == 404

        eventually(gone, "the namespace is gone", 60)
        assert len(life.proxy.arrived) - before <= 10


def reach(life: Life, moment: str) -> None:
    """Bring a job to a point of its life."""
    life.jobs.create("run")
    if moment == "applied":
        return
    prepare = life.kubelet.run(life.kubelet.pending("prepare"))
    if moment == "preparing":
        return
    life.kubelet.end(prepare, 0, TRAIN)
    pod = life.kubelet.run(life.kubelet.pending("train"))
    life.jobs.wait("run", "Running", reason="Training")
    if moment == "suspended":
        life.jobs.patch("run", {"suspend": True})
        life.kubelet.wait(pod, is_asked_to_end, "the pod is asked to end")
    if moment == "finished":
        life.kubelet.end(pod, 0, TRAINED)
        life.jobs.wait("run", "Succeeded")


def finish(life: Life) -> None:
    """Play the kubelet until the run has succeeded, and see that one pod runs at a time."""

    def done() -> bool:
        pods = life.kubelet.pods("train")
        alive = [pod for pod in pods if pod["status"]["phase"] in ("Pending", "Running")]
        assert len(alive) <= 1, alive
        for pod in alive:
            if is_asked_to_end(pod):
                life.kubelet.end_if_held(pod)
                life.kubelet.remove(pod)
            elif pod["status"]["phase"] == "Pending":
                life.kubelet.run(pod)
            else:
                life.kubelet.end(pod, 0, TRAINED)
        for pod in life.kubelet.pods("prepare"):
            if pod["status"]["phase"] == "Pending":
                life.kubelet.end(life.kubelet.run(pod), 0, TRAIN)
        return condition_of(life.jobs.status("run"), "Succeeded").get("status") == "True"

    life.settle()
    eventually(done, "the run has succeeded", 60)


def delete_pod(life: Life, pod: Json) -> None:
    """Ask a pod to end, as `kubectl delete` does."""
    path = f"/api/v1/namespaces/{life.namespace}/pods/{pod['metadata']['name']}"
    life.server.api().call("DELETE", path)
