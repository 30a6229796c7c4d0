"""From the prepare Job's end to the next step."""

import json
from typing import Any

import pytest

from preftrain_operator.core.notices import Notice
from preftrain_operator.core.observed import Refusal
from support.situations import (
    after,
    at,
    condition,
    make_child,
    make_pod,
    plan_for,
    started,
)
from support.training_jobs import ARTIFACT, SPEC, TRAIN

COMPLETE: dict[str, Any] = {"Complete": {}}
FAILED: dict[str, Any] = {"Failed": {"reason": "PodFailurePolicy"}}


def ended(exit_code: int, message: object, conditions: dict[str, Any]) -> tuple[Any, Any, Any]:
    """A started job, its finished prepare Job and the pod."""
    child = make_child("prepare", conditions=conditions)
    text = message if isinstance(message, str) else json.dumps(message)
    return started(), child, make_pod(child, exit_code=exit_code, message=text)


def test_verdict_train_records_the_pins_and_reserves_the_first_attempt() -> None:
    """One status write, one create, one Event; the training pod is told the pins."""
    job, child, pod = ended(0, TRAIN, COMPLETE)
    plan = plan_for(job, child, pods=(pod,))
    assert plan.status is not None
    assert plan.status.resolved is not None
    assert plan.status.resolved.pins is not None
    assert plan.status.resolved.spec_hash is not None
    assert [ref.name for ref in plan.status.job_refs] == ["run-r1-prepare", "run-r1-1"]
    assert plan.status.job_refs[0].uid == child["metadata"]["uid"]
    assert condition(plan, "DataReady") == ("True", "Prepared")
    assert condition(plan, "Running") == ("False", "Pending")
    assert plan.create is not None
    annotations = plan.create["spec"]["template"]["metadata"]["annotations"]
    told = json.loads(annotations["preftrain.dev/run-spec"])
    assert told["pins"] == TRAIN["pins"]
    assert told["specHash"] == plan.status.resolved.spec_hash
    assert told["identity"]["attempt"] == 1


@pytest.mark.fault(27)
def test_a_prepare_pod_without_its_secret_is_told() -> None:
    """The first pod of a run is where a forgotten Secret shows; nothing fails meanwhile."""
    job, child = started(), make_child("prepare")
    unready = {"type": "PodReadyToStartContainers", "status": "False"}
    pod = make_pod(child, conditions=[{**unready, "lastTransitionTime": at(-20)}])
    plan = plan_for(job, child, pods=(pod,))
    assert condition(plan, "Ready") == ("False", "VolumeNotReady")
    missing = Notice("FailedMount", 'secret "hub" not found')
    plan = plan_for(after(job, plan), child, pods=(pod,), notices=(missing,))
    assert condition(plan, "Ready") == ("False", "SecretMissing")
    assert condition(plan, "Failed") == ("False", "InProgress")
    freed = plan_for(after(job, plan), child, pods=(make_pod(child),))
    assert condition(freed, "Ready") == ("False", "Preparing")


def test_verdict_adopted_ends_well_without_training() -> None:
    """The existing adapter is the result."""
    verdict = {"stage": "Prepare", "verdict": "Adopted", "artifact": ARTIFACT}
    job, child, pod = ended(0, verdict, COMPLETE)
    plan = plan_for(job, child, pods=(pod,))
    assert condition(plan, "Succeeded") == ("True", "AdoptedExistingArtifact")
    assert condition(plan, "Published") == ("True", "Published")
    assert plan.create is None
    assert plan_for(after(job, plan), child, pods=(pod,)).is_empty


@pytest.mark.fault(15, 18, 41)
@pytest.mark.parametrize(
    ("exit_code", "reason"),
    [
        (64, "BadSpec"),
        (65, "DataRefused"),
        (66, "ModelUnavailable"),
        (69, "ObjectStoreUnavailable"),
        (70, "InternalError"),
        (1, "InternalError"),
        (137, "Killed"),
    ],
)
def test_a_failed_prepare_is_the_verdict(exit_code: int, reason: str) -> None:
    """The exit code decides, the message speaks."""
    by_policy = exit_code in (64, 65, 66)
    failed = FAILED if by_policy else {"Failed": {"reason": "BackoffLimitExceeded"}}
    job, child, pod = ended(exit_code, "what went wrong", failed)
    plan = plan_for(job, child, pods=(pod,))
    assert condition(plan, "Failed") == ("True", reason)
    assert condition(plan, "DataReady") == ("False", reason)
    assert "what went wrong" in plan.events[0].message
    assert plan.events[0].key == "Terminal"


def test_a_place_that_holds_another_run_is_no_bad_spec() -> None:
    """The refusal names the adapter in the way; nothing of the user's spec is wrong."""
    told = "s3://adapters/manifest.json: r1 holds another run; raise runRevision"
    verdict = {"stage": "Prepare", "verdict": "Refused", "message": told, "artifact": ARTIFACT}
    job, child, pod = ended(64, verdict, FAILED)
    plan = plan_for(job, child, pods=(pod,))
    assert condition(plan, "Failed") == ("True", "ArtifactConflict")
    assert plan.events[0].message == told
    assert plan.status is not None
    assert plan.status.artifact is None, "it is not this run's"


def test_a_job_that_ended_before_its_pod_was_seen_to_is_looked_at_live() -> None:
    """A Job's event may overtake its pod's: the cache is not believed."""
    job, child = started(), make_child("prepare", conditions=COMPLETE)
    assert plan_for(job, child).look_again
    assert plan_for(job, child, pods=(make_pod(child, phase="Running"),)).look_again


def test_a_lost_result_does_not_stop_the_run() -> None:
    """Pod and message gone: training goes on and pins by itself, as when prepare is skipped."""
    job, child = started(), make_child("prepare", conditions=COMPLETE)
    plan = plan_for(job, child, live=True)
    assert condition(plan, "DataReady") == ("True", "Prepared")
    assert plan.create is not None
    assert plan.create["metadata"]["name"] == "run-r1-1"


def test_of_a_lost_refusal_the_exit_code_is_read_from_the_job() -> None:
    """The Job controller writes the exit code into the condition's message."""
    text = "Container trainer for pod team/x failed with exit code 65 matching FailJob rule"
    conditions = {"Failed": {"reason": "PodFailurePolicy", "message": text}}
    job, child = started(), make_child("prepare", conditions=conditions)
    plan = plan_for(job, child, live=True)
    assert condition(plan, "Failed") == ("True", "DataRefused")


@pytest.mark.fault(5)
@pytest.mark.case(13)
def test_a_missing_prepare_job_is_created_again_after_a_live_look() -> None:
    """Between reservation and creation lies a crash; absence in the cache proves nothing."""
    job = started()
    assert plan_for(job).look_again
    plan = plan_for(job, live=True)
    assert plan.status is None
    assert plan.create is not None
    assert plan.create["metadata"]["name"] == "run-r1-prepare"


@pytest.mark.fault(24, 25)
@pytest.mark.parametrize(
    ("kind", "message", "reason", "terminal"),
    [
        ("Denied", "exceeded quota: none", "QuotaExceeded", False),
        ("Denied", "a policy says no", "AdmissionRejected", False),
        ("NameTaken", "belongs to another owner", "NameTaken", False),
        ("Invalid", "spec.template.spec.affinity: no", "AdmissionRejected", True),
    ],
)
def test_a_refused_creation_is_told(kind: Any, message: str, reason: str, terminal: bool) -> None:
    """What people can lift is waited for; what asking again cannot mend is the end."""
    job, refusal = started(), Refusal("run-r1-prepare", kind, message)
    plan = plan_for(job, live=True, refusal=refusal)
    assert plan.create is None
    assert condition(plan, "Ready") == ("False", reason)
    assert condition(plan, "Failed")[0] == ("True" if terminal else "False")
    if not terminal:
        assert plan.requeue_after == 30
        again = plan_for(after(job, plan), live=True)
        assert again.status is None, "the telling does not flap"
        assert again.create is not None


def test_suspended_when_prepare_ends_nothing_is_reserved() -> None:
    """The verdict is kept, training waits for the user."""
    job, child, pod = ended(0, TRAIN, COMPLETE)
    suspended = {**job, "spec": {**SPEC, "suspend": True}}
    plan = plan_for(suspended, child, pods=(pod,))
    assert plan.create is None
    assert condition(plan, "Suspended") == ("True", "Suspended")
    assert condition(plan, "DataReady") == ("True", "Prepared")
    assert [event.reason for event in plan.events] == ["Prepared", "Suspended"]
    held = after(suspended, plan)
    assert plan_for(held, child, pods=(pod,)).is_empty
    resumed = plan_for({**held, "spec": SPEC}, child, pods=(pod,))
    assert resumed.create is not None
    assert resumed.create["metadata"]["name"] == "run-r1-1"
