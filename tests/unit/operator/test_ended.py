"""Deadlines, and what happens to a run that has ended."""

import json
from typing import Any

import pytest

from support.situations import (
    after,
    condition,
    make_child,
    make_pod,
    plan_for,
    running,
    training,
)
from support.training_jobs import TRAINED


def finished(**members: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A job that has succeeded, its Job and its pod."""
    job, _, _ = running(**members)
    child = make_child(conditions={"Complete": {}})
    pod = make_pod(child, exit_code=0, message=json.dumps(TRAINED))
    return after(job, plan_for(job, child, pods=(pod,))), child, pod


def changed(job: dict[str, Any], **members: Any) -> dict[str, Any]:
    """The job with other spec members and a higher generation."""
    metadata = {**job["metadata"], "generation": job["metadata"]["generation"] + 1}
    return {**job, "metadata": metadata, "spec": {**job["spec"], **members}}


@pytest.mark.case(15)
def test_terminal_states_absorb() -> None:
    """Whatever the children do afterwards, the verdict of the revision stays."""
    job, child, pod = finished()
    failed = make_child(conditions={"Failed": {"reason": "PodFailurePolicy"}})
    assert plan_for(job).is_empty
    assert plan_for(job, failed, pods=(make_pod(child, exit_code=65),)).is_empty
    assert plan_for(job, child, pods=(pod,), live=True).is_empty


def test_an_edit_after_the_end_only_freshens_the_generation() -> None:
    """Observers must see that the edit was looked at."""
    job, child, pod = finished()
    plan = plan_for(changed(job, suspend=True), child, pods=(pod,))
    assert plan.status is not None
    assert plan.status.observed_generation == 2
    assert {item.observed_generation for item in plan.status.conditions} == {2}
    assert condition(plan, "Succeeded")[0] == "True"
    assert plan.events == ()


def test_a_raised_revision_runs_again() -> None:
    """The earlier run moves to the history, all else begins anew."""
    job, child, pod = finished()
    again = changed(job, runRevision=2)
    plan = plan_for(again, child, pods=(pod,))
    assert plan.status is not None
    assert plan.status.run_revision == 2
    assert plan.status.completion_time is None
    assert plan.status.artifact is None
    assert [entry.job for entry in plan.status.attempts] == ["run-r2-1"]
    (before,) = plan.status.history
    assert (before.run_revision, before.succeeded, before.reason) == (1, True, "Succeeded")
    assert plan.create is not None
    assert plan.create["metadata"]["name"] == "run-r2-1"


@pytest.mark.fault(21)
@pytest.mark.case(6)
def test_jobs_are_deleted_when_their_time_is_up() -> None:
    """Not before, and with their UIDs; the status is not touched."""
    job, child, pod = finished(ttlSecondsAfterFinished=60)
    waiting = plan_for(job, child, pods=(pod,), seconds=20)
    assert waiting.is_empty
    assert waiting.requeue_after == 40
    plan = plan_for(job, child, pods=(pod,), seconds=60)
    assert [item.target.uid for item in plan.deletes] == [child["metadata"]["uid"]]
    assert plan.status is None


def test_running_time_is_limited_over_all_attempts() -> None:
    """Five seconds of the first pod count for the second."""
    job, child, _ = running(activeDeadlineSeconds=30)
    first = make_pod(child, exit_code=75, age=100)
    second = make_pod(child, "pod-2", phase="Running", age=11)
    between = after(job, plan_for(job, child, pods=(first,)))
    both = after(between, plan_for(between, child, pods=(first, second)))
    plan = plan_for(both, child, pods=(first, second))
    assert plan.is_empty
    assert plan.requeue_after is not None
    late = plan_for(both, child, pods=(first, second), seconds=plan.requeue_after)
    assert condition(late, "Failed") == ("True", "DeadlineExceeded")
    assert late.status is not None
    assert late.status.attempts[-1].end_time is not None


def test_the_start_is_limited_from_admission_on() -> None:
    """Waiting in a queue does not count; a pod that once ran satisfies it for good."""
    job = training(startDeadlineSeconds=60)
    assert plan_for(job, make_child(suspend=True), seconds=600).requeue_after is None
    plan = plan_for(job, make_child())
    assert plan.requeue_after == 30
    late = plan_for(job, make_child(), seconds=30)
    assert condition(late, "Failed") == ("True", "StartDeadlineExceeded")
    job, child, pod = running(startDeadlineSeconds=60)
    assert plan_for(job, child, pods=(pod,), seconds=600).is_empty


@pytest.mark.parametrize("limit", ["startDeadlineSeconds", "activeDeadlineSeconds"])
def test_what_ended_before_a_deadline_is_counted_first(limit: str) -> None:
    """Its run time and its failure are known; a verdict before that would lose both."""
    job = training(**{limit: 30}) if limit == "startDeadlineSeconds" else running(**{limit: 30})[0]
    pods = (make_pod(make_child(), exit_code=69),)
    plan = plan_for(job, make_child(), pods=pods, seconds=600)
    assert plan.status is not None
    assert plan.status.completion_time is None
    assert [(entry.reason, entry.counted) for entry in plan.status.attempts] == [
        ("ObjectStoreUnavailable", True)
    ]


def test_a_deadline_does_not_overrule_a_pod_that_has_published() -> None:
    """The Job controller is about to call the Job complete."""
    job, child, _ = running(activeDeadlineSeconds=30)
    pods = (make_pod(child, exit_code=0, message=json.dumps(TRAINED)),)
    assert plan_for(job, child, pods=pods, seconds=600).is_empty


def test_a_queued_job_of_an_ended_run_is_deleted() -> None:
    """A suspended Job has no pods to keep, and its deadline would not run."""
    job = training(startDeadlineSeconds=60)
    ended = after(job, plan_for(job, make_child(), seconds=30))
    plan = plan_for(ended, make_child(suspend=True), live=True, seconds=31)
    assert len(plan.deletes) == 1
    assert plan.stops == ()
