"""What becomes of a training pod that fails, in every way it can."""

from __future__ import annotations

import pytest

from support.operator_world import World
from support.training_jobs import condition_of, make_spec

pytestmark = pytest.mark.integration

SKIP = {"uri": "s3://data/pairs", "audit": {"policy": "Skip"}}


@pytest.mark.fault(11, 18, 40)
@pytest.mark.parametrize(
    ("exit_code", "reason"),
    [
        (64, "BadSpec"),
        (65, "DataRefused"),
        (66, "ModelUnavailable"),
        (71, "GpuUnavailable"),
        (76, "GuardStopped"),
        (77, "OutOfGpuMemory"),
        (78, "GatesNotPassed"),
    ],
)
def test_a_final_exit_code_fails_the_job_at_once(world: World, exit_code: int, reason: str) -> None:
    """What would end the same way again is not tried again."""
    world.jobs.create("run", make_spec(dataset=SKIP))
    pod = world.kubelet.run(world.kubelet.pending("train"))
    message = {"stage": "Train", "message": f"because of {exit_code}", "step": 3}
    world.kubelet.end(pod, exit_code, message)
    status = world.jobs.wait("run", "Failed", reason=reason)
    assert condition_of(status, "Failed")["message"] == f"because of {exit_code}"
    assert [entry["exitCode"] for entry in status["attempts"]] == [exit_code]
    assert status["attempts"][0]["endStep"] == 3
    assert len(world.kubelet.pods("train")) == 1


@pytest.mark.fault(10)
def test_failures_that_may_pass_are_retried_and_counted(world: World) -> None:
    """With maxRetries 1 the second counted failure ends the run; the pods are kept."""
    world.jobs.create("run", make_spec(dataset=SKIP, maxRetries=1))
    first = world.kubelet.run(world.kubelet.pending("train"))
    world.kubelet.end(first, 70, "loading\nTraceback: out of luck")
    status = world.jobs.wait("run", "Running", "False", "Retrying")
    assert status["retries"] == 1
    assert status["attempts"][0]["message"] == "Traceback: out of luck"
    assert status["attempts"][0]["logTail"] == "loading\nTraceback: out of luck"
    second = world.kubelet.run(world.kubelet.pending("train"))
    world.kubelet.end(second, 137, reason="OOMKilled")
    status = world.jobs.wait("run", "Failed", reason="BackoffLimitExceeded")
    assert status["retries"] == 2
    assert [entry["reason"] for entry in status["attempts"]] == ["InternalError", "OOMKilled"]
    assert "maxRetries is 1" in condition_of(status, "Failed")["message"]
    # The Job is ended without deleting it, so the logs stay.
    world.jobs.wait_for_jobs(
        lambda jobs: any(
            item["type"] == "Failed" and item["status"] == "True"
            for item in jobs[0].get("status", {}).get("conditions", ())
        ),
        "the Job has failed",
    )
    assert len(world.kubelet.pods("train")) == 2


@pytest.mark.fault(7, 8, 42)
def test_preemptions_are_not_counted(world: World) -> None:
    """Exit code 75 and disruptions go on in the same Job with maxRetries 0."""
    world.jobs.create("run", make_spec(dataset=SKIP, maxRetries=0))
    first = world.kubelet.run(world.kubelet.pending("train"))
    world.kubelet.end(first, 75, {"stage": "Train", "step": 5, "checkpointStep": 5})
    world.jobs.wait("run", "Running", "False", "Preempted")
    second = world.kubelet.run(world.kubelet.pending("train"))
    world.jobs.wait("run", "Running", reason="Training")
    world.kubelet.disrupt(second)
    world.kubelet.end(second, 143)
    third = world.kubelet.run(world.kubelet.pending("train"))
    status = world.jobs.wait("run", "Running", reason="Training")
    assert [entry["podUid"] for entry in status["attempts"]] == [
        pod["metadata"]["uid"] for pod in (first, second, third)
    ]
    assert status.get("retries", 0) == 0
    assert len(world.jobs.jobs()) == 1


@pytest.mark.fault(36)
def test_a_deleted_job_is_a_counted_attempt(world: World) -> None:
    """A Job that somebody deletes while it runs is replaced by the next attempt."""
    world.jobs.create("run", make_spec(dataset=SKIP, maxRetries=1))
    pod = world.kubelet.run(world.kubelet.pending("train"))
    world.jobs.wait("run", "Running", reason="Training")
    world.jobs.delete_child("run-r1-1")
    world.kubelet.remove(pod)
    world.kubelet.pending("train", job="run-r1-2")
    status = world.jobs.wait("run", "Running", "False", "JobDeleted")
    assert status["retries"] == 1
    assert status["attempts"][0]["reason"] == "JobDeleted"


def test_the_active_deadline_ends_the_run(world: World) -> None:
    """ActiveDeadlineSeconds counts running time and stops the Job."""
    world.jobs.create("run", make_spec(dataset=SKIP, activeDeadlineSeconds=2))
    world.kubelet.run(world.kubelet.pending("train"))
    world.jobs.wait("run", "Failed", reason="DeadlineExceeded")


@pytest.mark.fault(12)
def test_a_pod_that_cannot_pull_its_image_says_so(world: World) -> None:
    """Reason and message of the kubelet reach the conditions while the run goes on."""
    world.jobs.create("run", make_spec(dataset=SKIP))
    pod = world.kubelet.pending("train")
    path = f"/api/v1/namespaces/{world.namespace}/pods/{pod['metadata']['name']}/status"
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    container = {
        "name": "trainer",
        "image": "test",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"waiting": waiting},
    }
    world.kubelet.api.call("PATCH", path, {"status": {"containerStatuses": [container]}})
    status = world.jobs.wait("run", "Running", "False", "ImagePullFailed")
    assert condition_of(status, "Reconciling")["status"] == "True"
    message = condition_of(status, "Ready")["message"]
    assert message.startswith("Back-off pulling image; check that the image exists")
    (event,) = [item for item in world.jobs.events("run") if item["type"] == "Warning"]
    assert (event["reason"], event["message"]) == ("ImagePullFailed", message)
