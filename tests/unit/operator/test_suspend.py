"""Suspension and resumption."""

import json
from typing import Any

import pytest

from support.situations import (
    after,
    condition,
    make_child,
    make_job,
    make_pod,
    plan_for,
    running,
    started,
    training,
)
from support.training_jobs import SPEC, TRAINED


def suspended(job: dict[str, Any]) -> dict[str, Any]:
    """The job with spec.suspend set, which raises its generation."""
    metadata = {**job["metadata"], "generation": job["metadata"]["generation"] + 1}
    return {**job, "metadata": metadata, "spec": {**job["spec"], "suspend": True}}


def resumed(job: dict[str, Any]) -> dict[str, Any]:
    """The job with spec.suspend false."""
    return {**job, "spec": {**job["spec"], "suspend": False}}


def test_the_job_is_deleted_in_the_foreground() -> None:
    """So that it stays until its pod has saved and ended; told before it is done."""
    job, child, pod = running()
    plan = plan_for(suspended(job), child, pods=(pod,))
    assert [(item.target.uid, item.foreground) for item in plan.deletes] == [
        (child["metadata"]["uid"], True)
    ]
    assert condition(plan, "Suspended") == ("False", "Suspending")
    assert condition(plan, "Running") == ("False", "Suspending")


def test_suspended_when_the_job_is_gone() -> None:
    """Seen live; the attempt is closed uncounted and nothing more happens."""
    job, child, pod = running()
    stopping = after(suspended(job), plan_for(suspended(job), child, pods=(pod,)))
    going = make_child(deleting=True)
    ended = make_pod(child, exit_code=75, message=json.dumps({"stage": "Train", "step": 4}))
    recorded = after(stopping, plan_for(stopping, going, pods=(ended,)))
    assert recorded["status"]["attempts"][0]["endStep"] == 4
    assert plan_for(recorded).look_again
    plan = plan_for(recorded, live=True)
    assert condition(plan, "Suspended") == ("True", "Suspended")
    assert [event.reason for event in plan.events] == ["Suspended"]
    assert plan.status is not None
    assert plan.status.retries == 0
    held = after(recorded, plan)
    assert plan_for(held, live=True).is_empty
    edited = plan_for(suspended(held), live=True)
    assert edited.status is not None
    assert edited.events == (), "another edit does not suspend it again"


@pytest.mark.case(7)
def test_resumption_is_the_next_attempt() -> None:
    """Under a new name, uncounted."""
    job, child, pod = running()
    stopping = after(suspended(job), plan_for(suspended(job), child, pods=(pod,)))
    held = after(stopping, plan_for(stopping, live=True))
    plan = plan_for(resumed(held), live=True)
    assert plan.create is not None
    assert plan.create["metadata"]["name"] == "run-r1-2"
    assert condition(plan, "Suspended") == ("False", "NotSuspended")
    assert plan.status is not None
    assert plan.status.retries == 0


def test_resumed_while_the_pod_is_still_ending_it_waits() -> None:
    """The old Job must be gone before the next one is made."""
    job, child, pod = running()
    stopping = after(suspended(job), plan_for(suspended(job), child, pods=(pod,)))
    going = make_child(deleting=True)
    assert plan_for(resumed(stopping), going, pods=(pod,)).is_empty
    plan = plan_for(resumed(stopping), live=True)
    assert plan.create is not None
    assert plan.status is not None
    assert plan.status.retries == 0


def test_a_run_that_finished_in_the_meantime_is_finished() -> None:
    """Published is published, whether or not the user wanted to wait."""
    job, _, _ = running()
    child = make_child(conditions={"Complete": {}})
    pod = make_pod(child, exit_code=0, message=json.dumps(TRAINED))
    plan = plan_for(suspended(job), child, pods=(pod,))
    assert condition(plan, "Succeeded")[0] == "True"


def test_a_retriable_failure_while_suspended_makes_no_attempt() -> None:
    """The next one is made on resumption."""
    job, _, _ = running()
    child = make_child(conditions={"Failed": {"reason": "BackoffLimitExceeded"}})
    pod = make_pod(child, exit_code=70)
    plan = plan_for(suspended(job), child, pods=(pod,))
    assert plan.create is None
    assert condition(plan, "Suspended") == ("True", "Suspended")
    assert [event.reason for event in plan.events] == ["Suspended"]
    held = after(suspended(job), plan)
    assert plan_for(held, child, pods=(pod,)).is_empty
    again = plan_for(resumed(held), child, pods=(pod,))
    assert again.create is not None
    assert again.create["metadata"]["name"] == "run-r1-2"


def test_suspended_before_the_pod_ran() -> None:
    """A Job without a recorded pod goes the same way."""
    job, child = training(), make_child()
    stopping = after(suspended(job), plan_for(suspended(job), child))
    plan = plan_for(stopping, live=True)
    assert condition(plan, "Suspended") == ("True", "Suspended")


def test_suspended_while_preparing() -> None:
    """The prepare Job is deleted, and made again on resumption."""
    job, child = started(), make_child("prepare")
    stopping = after(suspended(job), plan_for(suspended(job), child))
    held = after(stopping, plan_for(stopping, live=True))
    plan = plan_for(resumed(held), live=True)
    assert plan.create is not None
    assert plan.create["metadata"]["name"] == "run-r1-prepare"
    assert condition(plan, "Suspended") == ("False", "NotSuspended")
    assert condition(plan, "Ready") == ("False", "Preparing")


def test_an_end_that_is_about_to_be_judged_is_not_lost_to_a_suspension() -> None:
    """A pod that ended for good is judged; deleting its Job first would try it again."""
    job, child, _ = running()
    pod = make_pod(child, exit_code=65)
    assert plan_for(suspended(job), child, pods=(pod,)).deletes == ()


def test_used_up_retries_end_a_suspended_run_too() -> None:
    """Otherwise each suspension would grant another attempt."""
    job, child, _ = running(maxRetries=0)
    pod = make_pod(child, exit_code=70)
    plan = plan_for(suspended(job), child, pods=(pod,))
    assert condition(plan, "Failed") == ("True", "BackoffLimitExceeded")


def test_a_run_that_is_held_keeps_no_job() -> None:
    """One that an operator with an old view made late would train although all is suspended."""
    job = make_job({**SPEC, "suspend": True})
    held = after(job, plan_for(job))
    late = make_child()
    assert plan_for(held, late).look_again
    plan = plan_for(held, late, live=True)
    assert [item.target.uid for item in plan.deletes] == [late["metadata"]["uid"]]
    assert plan_for(held, live=True).is_empty
