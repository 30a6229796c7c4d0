"""Pods that had ended and were gone before the operator looked."""

import json
from typing import Any

import pytest

from preftrain_api.progress import Progress
from preftrain_operator.core.observed import Report
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
from support.training_jobs import TRAINED

GPU = {"compute": {"accelerator": "GPU"}}
SUSPENDING = {"suspend": True}


def counted(count: int, *, pending: tuple[str, ...] = (), **conditions: Any) -> dict[str, Any]:
    """The Job, whose controller has counted so many pods as failed."""
    child = make_child(conditions=conditions or None)
    child["status"] |= {"failed": count, "uncountedTerminatedPods": {"failed": list(pending)}}
    return child


def told(job: dict[str, Any], child: dict[str, Any], pod: dict[str, Any]) -> dict[str, Any]:
    """The job after its pod has told of step 40, eight seconds ago; it began 19 s ago."""
    said = {"uid": "pod-1", "phase": "Training", "step": 40, "totalSteps": 100}
    report = Report("pod-1", Progress.parse(said), NOW.replace(minute=59, hour=11, second=52))
    return after(job, plan_for(job, child, pods=(pod,), report=report))


@pytest.mark.parametrize("child", [counted(1), counted(0, pending=("pod-1",))])
def test_a_failure_is_counted_by_the_job_controllers_account(child: dict[str, Any]) -> None:
    """It writes a failed pod down before it lets it go; only the exit code is lost, and said so."""
    job, _, _ = running(maxRetries=1)
    fresh = make_pod(child, "pod-2", age=2)
    assert plan_for(job, child, pods=(fresh,)).look_again
    plan = plan_for(job, child, pods=(fresh,), live=True)
    assert plan.status is not None
    (entry,) = plan.status.attempts
    assert (entry.reason, entry.counted, entry.exit_code) == ("EndUnseen", True, None)
    assert "exit code is not known" in (entry.message or "")
    assert plan.status.retries == 1
    assert condition(plan, "Running") == ("False", "Retrying")
    assert plan_for(after(job, plan), child, pods=(fresh,)).is_empty


def test_an_interruption_is_not_counted() -> None:
    """What the pod failure policy ignores the Job controller does not count either."""
    job, child, _ = running(maxRetries=0)
    fresh = make_pod(child, "pod-2", age=2)
    assert plan_for(job, child, pods=(fresh,)).look_again
    plan = plan_for(job, child, pods=(fresh,), live=True)
    assert plan.status is not None
    assert (plan.status.attempts[0].reason, plan.status.retries) == ("Preempted", 0)
    assert condition(plan, "Running") == ("False", "Preempted")


def test_pods_that_nobody_ever_saw_are_counted() -> None:
    """While no operator ran, the recorded pod failed, and another one after it."""
    job, _, _ = running()
    third = make_pod(counted(2), "pod-3", phase="Running", age=2)
    assert plan_for(job, counted(2), pods=(third,)).look_again
    plan = plan_for(job, counted(2), pods=(third,), live=True)
    assert plan.status is not None
    assert [entry.reason for entry in plan.status.attempts] == ["EndUnseen", "EndUnseen", None]
    assert plan.status.attempts[-1].pod_uid == "pod-3"
    assert plan.status.retries == 2
    assert plan_for(after(job, plan), counted(2), pods=(third,)).is_empty


def test_a_job_that_is_ahead_of_its_pods_is_looked_at_once_more() -> None:
    """Its event overtakes the pod's: after a live look the pod speaks for itself."""
    job, child, pod = running()
    assert plan_for(job, counted(1), pods=(pod,)).is_empty, "the pod is still there"
    ended = make_pod(child, exit_code=70)
    plan = plan_for(job, counted(1), pods=(ended,))
    assert plan.status is not None
    assert [(entry.exit_code, entry.reason) for entry in plan.status.attempts] == [
        (70, "InternalError")
    ]


def test_a_kill_by_hand_is_in_the_job_controllers_account_and_not_in_ours() -> None:
    """Such an entry must not be taken for a failure that nobody saw."""
    job, child, _ = running()
    killed = make_pod(child, exit_code=137, deleting=True)
    recorded = after(job, plan_for(job, child, pods=(killed,)))
    assert recorded["status"]["retries"] == 0
    plan = plan_for(recorded, counted(1), pods=())
    assert not plan.look_again
    assert plan.is_empty


def test_what_the_pod_told_last_is_kept() -> None:
    """Its step, and the GPU time until then; more cannot be known."""
    job, child, pod = running(**GPU)
    seen = told(job, child, pod)
    plan = plan_for(seen, counted(1), live=True)
    assert plan.status is not None
    (entry,) = plan.status.attempts
    assert entry.end_step == 40
    assert entry.end_time == NOW.replace(minute=59, hour=11, second=52)
    assert plan.status.gpu_seconds == 11


def test_the_end_of_the_job_is_the_end_of_its_pod() -> None:
    """The Job controller says when, so no GPU time is lost."""
    job, _, _ = running(**GPU)
    failed = counted(
        1,
        Failed={
            "reason": "PodFailurePolicy",
            "lastTransitionTime": at(-4),
            "message": "Container trainer for pod team/x failed with exit code 65 matching",
        },
    )
    plan = plan_for(job, failed, live=True)
    assert condition(plan, "Failed") == ("True", "DataRefused")
    assert plan.status is not None
    (entry,) = plan.status.attempts
    assert (entry.exit_code, plan.status.gpu_seconds) == (65, 15)


def test_the_last_of_several_unseen_ends_is_the_jobs() -> None:
    """Entries stand in the order in which things happened."""
    job, child, _ = running()
    first = make_pod(child, exit_code=70)
    recorded = after(job, plan_for(job, child, pods=(first,)))
    failed = counted(
        3,
        Failed={
            "reason": "PodFailurePolicy",
            "message": "Container trainer for pod team/x failed with exit code 76 matching",
        },
    )
    plan = plan_for(recorded, failed, pods=(first,), live=True)
    assert plan.status is not None
    assert [(entry.reason, entry.exit_code) for entry in plan.status.attempts] == [
        ("InternalError", 70),
        ("EndUnseen", None),
        ("GuardStopped", 76),
    ]
    assert condition(plan, "Failed") == ("True", "GuardStopped")


def test_a_success_that_nobody_saw_is_an_attempt_too() -> None:
    """Its pod came and went after the recorded one had failed."""
    job, child, _ = running()
    first = make_pod(child, exit_code=70)
    recorded = after(job, plan_for(job, child, pods=(first,)))
    plan = plan_for(recorded, counted(1, Complete={}), pods=(first,), live=True)
    assert condition(plan, "Succeeded")[0] == "True"
    assert plan.status is not None
    assert [entry.exit_code for entry in plan.status.attempts] == [70, 0]


def test_an_unseen_end_stands_before_the_one_that_was_seen() -> None:
    """While no operator ran one pod failed and went, and the next one has published."""
    job, _, _ = running()
    child = counted(1, Complete={})
    last = make_pod(child, "pod-2", exit_code=0, message=json.dumps(TRAINED), age=5)
    plan = plan_for(job, child, pods=(last,), live=True)
    assert condition(plan, "Succeeded")[0] == "True"
    assert plan.status is not None
    assert [entry.exit_code for entry in plan.status.attempts] == [None, 0]
    assert [entry.reason for entry in plan.status.attempts] == ["EndUnseen", "Completed"]


@pytest.mark.parametrize(
    ("code", "message", "reason"), [(0, json.dumps(TRAINED), "Succeeded"), (65, "", "DataRefused")]
)
def test_a_verdict_counts_although_its_job_is_gone(code: int, message: str, reason: str) -> None:
    """The last state of the pod came with its deletion; nothing is trained again."""
    job, child, _ = running()
    pod = make_pod(child, exit_code=code, message=message, deleting=True)
    assert plan_for(job, pods=(pod,)).look_again
    plan = plan_for(job, pods=(pod,), live=True)
    assert plan.create is None
    assert condition(plan, "Ready")[1] == reason
    suspended = {**job, "spec": {**job["spec"], **SUSPENDING}}
    assert condition(plan_for(suspended, pods=(pod,), live=True), "Ready")[1] == reason


def test_a_deleted_job_is_counted_whatever_its_pod_made_of_it() -> None:
    """Otherwise it would depend on who was faster; the exit code is kept."""
    job, child, _ = running()
    pod = make_pod(child, exit_code=75, message=json.dumps({"stage": "Train", "step": 9}))
    plan = plan_for(job, pods=(pod,), live=True)
    assert plan.status is not None
    entry = plan.status.attempts[0]
    assert (entry.reason, entry.exit_code, entry.end_step) == ("JobDeleted", 75, 9)
    assert plan.status.retries == 1
    assert plan.create is not None


def test_a_suspended_pod_is_recorded_after_its_job_is_gone() -> None:
    """Pod and Job went while the operator was busy: what the watch told last is enough."""
    job, child, pod = running(maxRetries=0)
    job = {**job, "spec": {**job["spec"], **SUSPENDING}}
    stopping = after(job, plan_for(job, child, pods=(pod,)))
    saved = make_pod(child, exit_code=75, message=json.dumps({"stage": "Train", "step": 4}))
    plan = plan_for(stopping, pods=(saved,), live=True)
    assert condition(plan, "Suspended") == ("True", "Suspended")
    assert plan.status is not None
    entry = plan.status.attempts[0]
    assert (entry.reason, entry.exit_code, entry.end_step) == ("Preempted", 75, 4)


def test_a_suspended_pod_of_which_nothing_is_left_says_so() -> None:
    """It is not counted: the operator itself has ended it."""
    job, child, pod = running(maxRetries=0)
    job = {**job, "spec": {**job["spec"], **SUSPENDING}}
    stopping = after(job, plan_for(job, child, pods=(pod,)))
    plan = plan_for(stopping, live=True)
    assert plan.status is not None
    entry = plan.status.attempts[0]
    assert (entry.reason, entry.counted) == ("EndUnseen", False)
    assert plan.status.retries == 0
    assert condition(plan, "Suspended") == ("True", "Suspended")


def test_a_job_that_is_being_deleted_tells_nothing_of_a_pod_that_is_gone() -> None:
    """Its controller counts no more; the attempt is closed when the Job is gone."""
    job, _, _ = running()
    assert plan_for(job, make_child(deleting=True)).is_empty


def test_a_deadline_keeps_the_gpu_time() -> None:
    """The pod is still at work when the verdict falls."""
    job, child, pod = running(activeDeadlineSeconds=30, **GPU)
    plan = plan_for(job, child, pods=(pod,), seconds=11)
    assert condition(plan, "Failed") == ("True", "DeadlineExceeded")
    assert plan.status is not None
    assert plan.status.gpu_seconds == 30


def test_a_reserved_job_whose_pods_all_went_unseen() -> None:
    """The entry of the reservation is the first of them."""
    plan = plan_for(training(), counted(2), live=True)
    assert plan.status is not None
    assert [(entry.number, entry.reason) for entry in plan.status.attempts] == [
        (1, "EndUnseen"),
        (1, "EndUnseen"),
    ]
    assert plan.status.retries == 2
