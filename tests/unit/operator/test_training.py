"""What is made of the training Job and its pods."""

import json
from typing import Any

import pytest

from preftrain_api.progress import Progress
from preftrain_operator.core.observed import Refusal, Report
from preftrain_operator.core.plan import Plan
from support.situations import (
    NOW,
    after,
    at,
    condition,
    make_child,
    make_pod,
    plan_for,
    running,
    training,
)
from support.training_jobs import ARTIFACT, TRAINED

COMPLETE: dict[str, Any] = {"Complete": {}}
FAILED: dict[str, Any] = {"Failed": {"reason": "PodFailurePolicy"}}


def test_a_running_pod_is_recorded_once() -> None:
    """Pod, node and start are stored with one Event; the same view again changes nothing."""
    job, child = training(), make_child()
    pod = make_pod(child, phase="Running")
    plan = plan_for(job, child, pods=(pod,))
    assert plan.status is not None
    (entry,) = plan.status.attempts
    assert (entry.number, entry.pod_uid, entry.node) == (1, "pod-1", "node-1")
    assert plan.status.job_refs[0].uid == child["metadata"]["uid"]
    assert condition(plan, "Running") == ("True", "Training")
    assert len(plan.events) == 1
    assert plan_for(after(job, plan), child, pods=(pod,)).is_empty


def test_a_pending_pod_changes_nothing() -> None:
    """Waiting for the pod was said when the Job was reserved."""
    job, child = training(), make_child()
    assert plan_for(job, child).is_empty
    assert plan_for(job, child, pods=(make_pod(child),)).is_empty


def test_success_waits_for_the_job_controller() -> None:
    """A pod that has ended well is not judged before its Job: one write is enough."""
    job, child, _ = running()
    pod = make_pod(child, exit_code=0, message=json.dumps(TRAINED))
    assert plan_for(job, child, pods=(pod,)).is_empty


@pytest.mark.parametrize(
    ("judged", "reason", "published"),
    [(True, "Succeeded", "Published"), (False, "PublishedUnevaluated", "PublishedUnevaluated")],
)
def test_success(judged: bool, reason: str, published: str) -> None:
    """The result becomes artifact, metrics and columns; nothing follows."""
    job, _, _ = running()
    child = make_child(conditions=COMPLETE)
    message = json.dumps({**TRAINED, "gatesJudged": judged})
    pod = make_pod(child, exit_code=0, message=message)
    plan = plan_for(job, child, pods=(pod,))
    assert plan.status is not None
    assert condition(plan, "Succeeded") == ("True", reason)
    assert condition(plan, "Published") == ("True", published)
    assert condition(plan, "Ready")[0] == "True"
    assert plan.status.artifact is not None
    assert plan.status.artifact.uri == ARTIFACT["uri"]
    assert plan.status.attempts[0].exit_code == 0
    assert plan.status.display is not None
    assert plan.status.display.state == reason
    assert [event.key for event in plan.events] == ["Terminal"]
    assert plan_for(after(job, plan), child, pods=(pod,)).is_empty


def test_success_with_an_unreadable_result_stays_success() -> None:
    """Exit code 0 means that the manifest is written, whatever the message says."""
    job, _, _ = running()
    child = make_child(conditions=COMPLETE)
    pod = make_pod(child, exit_code=0, message="{broken")
    assert condition(plan_for(job, child, pods=(pod,)), "Succeeded") == ("True", "Succeeded")
    gone = plan_for(job, child, live=True)
    assert condition(gone, "Succeeded") == ("True", "Succeeded")
    assert gone.status is not None
    assert gone.status.attempts[0].end_time is not None


@pytest.mark.fault(18, 19)
@pytest.mark.parametrize(
    ("exit_code", "reason"), [(65, "DataRefused"), (76, "GuardStopped"), (78, "GatesNotPassed")]
)
def test_a_final_exit_code_is_the_end(exit_code: int, reason: str) -> None:
    """No further attempt; the trainer's sentence is the message."""
    job, _, _ = running()
    child = make_child(conditions=FAILED)
    message = json.dumps({"stage": "Train", "message": "the sentence", "step": 7})
    pod = make_pod(child, exit_code=exit_code, message=message)
    plan = plan_for(job, child, pods=(pod,))
    assert condition(plan, "Failed") == ("True", reason)
    assert plan.create is None
    assert plan.status is not None
    assert plan.status.attempts[0].end_step == 7
    assert plan.events[0].message == "the sentence"


@pytest.mark.fault(7, 8, 10, 42)
@pytest.mark.case(8)
@pytest.mark.parametrize(
    ("exit_code", "more", "reason", "counted"),
    [
        (70, {}, "InternalError", True),
        (69, {}, "ObjectStoreUnavailable", True),
        (75, {}, "Preempted", False),
        (137, {"reason": "OOMKilled"}, "OOMKilled", True),
        (137, {}, "Killed", True),
        (137, {"deleting": True}, "Killed", False),
        (143, {"disrupted": True}, "Preempted", False),
        (3, {}, "InternalError", True),
    ],
)
def test_an_ended_pod_is_recorded_and_counted_once(
    exit_code: int, more: dict[str, Any], reason: str, counted: bool
) -> None:
    """The Job controller makes the next pod; the operator only keeps the account."""
    job, child, _ = running()
    pod = make_pod(child, exit_code=exit_code, **more)
    plan = plan_for(job, child, pods=(pod,))
    assert plan.status is not None
    assert plan.create is None
    assert plan.status.retries == int(counted)
    assert plan.status.attempts[0].reason == reason
    assert condition(plan, "Running") == ("False", "Retrying" if counted else "Preempted")
    recorded = after(job, plan)
    assert plan_for(recorded, child, pods=(pod,)).is_empty
    second = make_pod(child, "pod-2", phase="Running", age=5)
    follows = plan_for(recorded, child, pods=(pod, second))
    assert follows.status is not None
    assert [entry.pod_uid for entry in follows.status.attempts] == ["pod-1", "pod-2"]
    assert follows.status.retries == int(counted)


def test_too_many_counted_failures_end_the_run_and_then_the_job() -> None:
    """The run fails first; the Job that would go on is stopped afterwards, its pods kept."""
    job, child, _ = running(maxRetries=0)
    pod = make_pod(child, exit_code=70, message="no luck")
    plan = plan_for(job, child, pods=(pod,))
    assert condition(plan, "Failed") == ("True", "BackoffLimitExceeded")
    assert "no luck" in plan.events[0].message
    ended = after(job, plan)
    assert plan_for(ended, child, pods=(pod,)).look_again
    stop = plan_for(ended, child, pods=(pod,), live=True)
    assert [target.uid for target in stop.stops] == [child["metadata"]["uid"]]
    assert stop.status is None
    told = make_child(activeDeadlineSeconds=1)
    assert plan_for(ended, told, pods=(pod,)).is_empty


def test_a_job_that_gave_up_early_is_followed_by_the_next_attempt() -> None:
    """The Job counts kills that the operator does not: its limit is not the run's."""
    job, _, _ = running()
    child = make_child(conditions={"Failed": {"reason": "BackoffLimitExceeded"}})
    pod = make_pod(child, exit_code=137, deleting=True)
    plan = plan_for(job, child, pods=(pod,))
    assert plan.create is not None
    assert plan.create["metadata"]["name"] == "run-r1-2"
    assert plan.status is not None
    assert plan.status.retries == 0
    assert [entry.number for entry in plan.status.attempts] == [1, 2]


def test_a_recorded_job_that_is_gone_is_a_counted_attempt() -> None:
    """Only after a live look; the next attempt is reserved and created."""
    job, _, _ = running()
    assert plan_for(job).look_again
    plan = plan_for(job, live=True)
    assert plan.create is not None
    assert plan.create["metadata"]["name"] == "run-r1-2"
    assert plan.status is not None
    assert plan.status.retries == 1
    assert plan.status.attempts[0].reason == "JobDeleted"
    assert condition(plan, "Running") == ("False", "JobDeleted")


def test_a_reserved_job_that_was_never_recorded_is_created_again() -> None:
    """A crash after the reservation costs no attempt."""
    plan = plan_for(training(), live=True)
    assert plan.status is None
    assert plan.create is not None
    assert plan.create["metadata"]["name"] == "run-r1-1"


def test_a_job_that_is_being_deleted_is_waited_for() -> None:
    """No two pods of a run at once, whoever deletes the Job."""
    job, _, pod = running()
    assert plan_for(job, make_child(deleting=True), pods=(pod,)).is_empty


def test_a_pod_that_finished_while_its_job_was_deleted_has_still_finished() -> None:
    """The adapter is published: that is what counts."""
    job, _, _ = running()
    child = make_child(deleting=True)
    pod = make_pod(child, exit_code=0, message=json.dumps(TRAINED))
    assert condition(plan_for(job, child, pods=(pod,)), "Succeeded")[0] == "True"


@pytest.mark.fault(29, 36)
def test_another_job_of_the_same_name_is_a_stray() -> None:
    """A late creation of a name that was used up is deleted by its UID after a live look."""
    job, child, pod = running()
    late = make_child(uid="late")
    assert plan_for(job, child, late, pods=(pod,)).look_again
    plan = plan_for(job, child, late, pods=(pod,), live=True)
    assert [(item.target.uid, item.foreground) for item in plan.deletes] == [("late", True)]


@pytest.mark.fault(37)
def test_a_job_that_a_lost_status_knew_is_taken_over() -> None:
    """Its pod trains on: the run begins anew, and under the name that it reserves it is there."""
    lost, _, pod = running()
    del lost["status"]
    found = make_child()
    plan = plan_for(lost, found, pods=(pod,), live=True)
    assert plan.deletes == ()
    assert plan.status is not None
    assert plan.status.start_time is not None


@pytest.mark.fault(35, 36)
@pytest.mark.case(11)
def test_foreign_jobs_and_pods_are_not_seen() -> None:
    """Labels can be copied, owner references of another UID are not ours."""
    job, child = training(), make_child()
    foreign = make_child(owner="someone-else", uid="foreign")
    pod = make_pod(foreign, phase="Running")
    assert plan_for(job, child, foreign, pods=(pod,)).is_empty


def test_progress_of_the_recorded_pod_is_shown() -> None:
    """Steps, metrics and estimated time; another pod's words are not."""
    job, child, pod = running()
    said = {"uid": "pod-1", "phase": "Training", "step": 420, "totalSteps": 1000}
    progress = Progress.parse({**said, "etaSeconds": 200, "metrics": {"loss": 0.25}})
    plan = plan_for(job, child, pods=(pod,), report=Report("pod-1", progress, NOW))
    assert plan.status is not None
    assert plan.status.display is not None
    assert plan.status.display.progress == "420/1000 42%"
    assert plan.status.display.eta == "3m20s"
    assert plan.events == ()
    report = Report("pod-1", progress, NOW)
    assert plan_for(after(job, plan), child, pods=(pod,), report=report).is_empty
    assert plan_for(job, child, pods=(pod,), report=Report("other", progress, NOW)).is_empty


@pytest.mark.fault(12, 13)
@pytest.mark.parametrize(
    ("pod", "seconds", "reason"),
    [
        ({"waiting": {"reason": "ErrImagePull", "message": "no"}}, 0, "ImagePullFailed"),
        ({"waiting": {"reason": "CreateContainerConfigError"}}, 0, "ContainerNotStarted"),
        (
            {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3 nodes",
                        "lastTransitionTime": "2026-11-23T11:59:55Z",
                    }
                ]
            },
            5,
            "Unschedulable",
        ),
    ],
)
def test_a_stuck_pod_is_told(pod: dict[str, Any], seconds: float, reason: str) -> None:
    """The run goes on; the condition says what stands in its way."""
    job, child = training(), make_child()
    stuck = make_pod(child, **pod)
    if seconds:
        assert plan_for(job, child, pods=(stuck,)).requeue_after == seconds
    plan = plan_for(job, child, pods=(stuck,), seconds=seconds)
    assert condition(plan, "Running") == ("False", reason)
    assert condition(plan, "Reconciling") == ("True", reason)
    freed = plan_for(after(job, plan), child, pods=(make_pod(child),))
    assert condition(freed, "Running") == ("False", "Pending")


def message(plan: Plan) -> str:
    """What Ready says."""
    assert plan.status is not None
    return next(item.message for item in plan.status.conditions if item.type == "Ready")


def unready(since: float) -> dict[str, Any]:
    """A pod's condition while its node has not set up volumes and network."""
    return {
        "type": "PodReadyToStartContainers",
        "status": "False",
        "lastTransitionTime": at(since),
    }


OUTPUT = {"uri": "s3://adapters/team", "secretRef": {"name": "s3-keys"}}


@pytest.mark.fault(27)
def test_a_pod_without_its_secret_is_told_by_name() -> None:
    """Kubelets report it in Events only. Without one it may be the network as well, so the operator
    names the Secrets and does not say that one is missing.
    """
    job, child = training(output=OUTPUT), make_child()
    stuck = make_pod(child, conditions=[unready(-5)], waiting={"reason": "ContainerCreating"})
    early = plan_for(job, child, pods=(stuck,))
    assert early.status is None
    assert early.requeue_after == 15
    plan = plan_for(job, child, pods=(stuck,), seconds=15)
    assert condition(plan, "Running") == ("False", "VolumeNotReady")
    assert "namespace team has Secret hub, Secret s3-keys;" in message(plan)
    told = after(job, plan)
    assert plan_for(told, child, pods=(stuck,), seconds=60).is_empty
    running_now = plan_for(told, child, pods=(make_pod(child, phase="Running"),))
    assert condition(running_now, "Running") == ("True", "Training")


def test_a_slow_claim_is_not_taken_for_a_missing_secret() -> None:
    """A claim may take minutes to attach: both are named, neither is blamed."""
    cache = {"cache": {"claimName": "hub-cache"}}
    job, child = training(output=OUTPUT, compute=cache), make_child()
    stuck = make_pod(child, conditions=[unready(-30)])
    plan = plan_for(job, child, pods=(stuck,))
    assert condition(plan, "Running") == ("False", "VolumeNotReady")
    assert "Secret s3-keys, claim hub-cache" in message(plan)


@pytest.mark.fault(24, 25)
def test_a_job_that_gets_no_pod_is_told() -> None:
    """A quota or a missing service account lets the Job be and refuses its pod."""
    job, child = training(), make_child()
    child["status"]["startTime"] = at(-2)
    early = plan_for(job, child)
    assert early.status is None
    assert early.requeue_after == 3
    plan = plan_for(job, child, seconds=3)
    assert condition(plan, "Running") == ("False", "AdmissionRejected")
    assert "kubectl describe job run-r1-1" in message(plan)
    assert plan_for(after(job, plan), child, seconds=60).is_empty
    child["status"]["active"] = 1
    assert plan_for(job, child, seconds=15).is_empty, "its pod was not seen yet"


def test_a_queued_job_says_so_until_it_is_admitted() -> None:
    """Kueue's suspension of the Job is shown and never touched."""
    job = training(compute={"queueName": "gpus"})
    assert job["status"]["display"]["state"] == "Queued"
    queued = make_child(suspend=True)
    assert plan_for(job, queued).is_empty
    plan = plan_for(job, make_child(suspend=False))
    assert condition(plan, "Running") == ("False", "Pending")
    evicted = plan_for(after(job, plan), queued)
    assert condition(evicted, "Running") == ("False", "Queued")


def test_a_pod_that_ended_early_leaves_what_an_earlier_one_reached() -> None:
    """The second found no GPU: the first one's steps and figures are still the latest there are."""
    job, child, pod = running()
    said = {"uid": "pod-1", "phase": "Training", "step": 40, "totalSteps": 100}
    progress = Progress.parse({**said, "metrics": {"loss": 0.5}})
    job = after(job, plan_for(job, child, pods=(pod,), report=Report("pod-1", progress, NOW)))
    failed = make_child(conditions=FAILED)
    pods = (
        make_pod(failed, exit_code=75),
        make_pod(
            failed, "pod-2", age=9, exit_code=71, message='{"stage": "Train", "message": "no GPU"}'
        ),
    )
    plan = plan_for(job, failed, pods=pods)
    assert condition(plan, "Failed") == ("True", "GpuUnavailable")
    assert plan.status is not None
    assert plan.status.progress is not None
    assert plan.status.metrics is not None
    assert (plan.status.progress.step, plan.status.metrics.loss) == (40, 0.5)


def test_a_refused_creation_ends_its_attempt() -> None:
    """No run that has ended has an attempt that seems to go on."""
    job, refusal = training(), Refusal("run-r1-1", "Invalid", "spec.template.spec.affinity: no")
    plan = plan_for(job, live=True, refusal=refusal)
    assert condition(plan, "Failed") == ("True", "AdmissionRejected")
    assert plan.status is not None
    (entry,) = plan.status.attempts
    assert (entry.reason, entry.counted, entry.end_time) == ("AdmissionRejected", False, NOW)
