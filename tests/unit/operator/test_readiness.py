"""What Flux, Helm and `kubectl wait` make of a job, at every moment of its life."""

import json
from typing import Any

import pytest

from preftrain_operator.core.plan import Plan
from support.kstatus import is_met, kstatus
from support.situations import (
    after,
    make_child,
    make_job,
    make_pod,
    plan_for,
    running,
    started,
    training,
)
from support.training_jobs import SPEC, TRAINED

Json = dict[str, Any]
TERMINAL = ("Succeeded", "Failed")


def held(job: Json) -> dict[str, str]:
    """Status of each condition."""
    return {each["type"]: each["status"] for each in job["status"]["conditions"]}


def edited(job: Json, **members: Any) -> Json:
    """The job after an edit that no operator has looked at."""
    metadata = {**job["metadata"], "generation": job["metadata"]["generation"] + 1}
    return {**job, "metadata": metadata, "spec": {**job["spec"], **members}}


def ended(exit_code: int, kind: str) -> Json:
    """A job whose pod ended so."""
    job, _, _ = running()
    child = make_child(conditions={kind: {"reason": "PodFailurePolicy"}})
    pod = make_pod(child, exit_code=exit_code, message=json.dumps(TRAINED))
    return after(job, plan_for(job, child, pods=(pod,)))


def suspended() -> Json:
    """A job that was suspended while it trained."""
    job, child, pod = running()
    job = edited(job, suspend=True)
    stopping = after(job, plan_for(job, child, pods=(pod,)))
    return after(stopping, plan_for(stopping, live=True))


def refused() -> Json:
    """A job that asks for an image that is not allowed."""
    job = make_job({**SPEC, "compute": {"image": "elsewhere/miner:1"}})
    return after(job, plan_for(job))


def beyond() -> Json:
    """A job with a field of a newer release."""
    job = make_job({**SPEC, "sparkle": True})
    return after(job, plan_for(job))


def stuck() -> Json:
    """A job whose image cannot be pulled."""
    job, child = training(), make_child()
    pod = make_pod(child, waiting={"reason": "ErrImagePull", "message": "no such image"})
    return after(job, plan_for(job, child, pods=(pod,)))


def retrying() -> Json:
    """A job whose first pod has failed."""
    job, child, _ = running()
    return after(job, plan_for(job, child, pods=(make_pod(child, exit_code=70),)))


MOMENTS: dict[str, tuple[Json, str]] = {
    "preparing": (started(), "InProgress"),
    "pending": (training(), "InProgress"),
    "queued": (training(compute={"queueName": "gpus"}), "InProgress"),
    "stuck": (stuck(), "InProgress"),
    "training": (running()[0], "InProgress"),
    "retrying": (retrying(), "InProgress"),
    "suspended": (suspended(), "InProgress"),
    "succeeded": (ended(0, "Complete"), "Current"),
    "failed": (ended(65, "Failed"), "Failed"),
    "withheld": (ended(78, "Failed"), "Failed"),
    "refused": (refused(), "Failed"),
    "beyond": (beyond(), "Failed"),
}
"""A job at every kind of moment, and what kstatus says of it."""


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_verdict_of_kstatus(moment: str) -> None:
    """In progress until it is decided; a job that waits for people is neither well nor lost."""
    job, wanted = MOMENTS[moment]
    assert kstatus(job) == wanted


def test_a_job_that_no_operator_has_seen_is_in_progress() -> None:
    """The default of the schema says so; without it, it would pass for finished."""
    assert kstatus(make_job(status={"observedGeneration": -1})) == "InProgress"


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_edit_is_in_progress_until_it_was_looked_at(moment: str) -> None:
    """And no condition of the spec before it ends anybody's wait."""
    job = edited(MOMENTS[moment][0], runRevision=2)
    assert kstatus(job) == "InProgress"
    assert not any(is_met(job, kind) for kind in held(job))


@pytest.mark.parametrize("moment", MOMENTS)
def test_every_condition_is_there_and_speaks_of_the_generation(moment: str) -> None:
    """So `kubectl wait` for any of them, or for its contrary, never waits for a condition that is
    only written later.
    """
    job, _ = MOMENTS[moment]
    kinds = {"Accepted", "Running", "Published", "Suspended", *TERMINAL}
    assert kinds | {"Ready", "Reconciling", "Stalled"} <= held(job).keys()
    for each in job["status"]["conditions"]:
        assert each["observedGeneration"] == job["metadata"]["generation"]
        assert each["reason"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_waits_for_an_end_return_at_the_end_alone(moment: str) -> None:
    """Succeeded and Failed, never both, and in step with what kstatus says."""
    job, verdict = MOMENTS[moment]
    met = [kind for kind in TERMINAL if is_met(job, kind)]
    assert met == {"Current": ["Succeeded"], "Failed": ["Failed"]}.get(verdict, []) or (
        # Whether such a job would fail only a newer operator can tell.
        moment == "beyond" and not met
    )


def test_a_resumed_job_is_in_progress_again() -> None:
    """Nothing of the suspension is left over."""
    job = edited(suspended(), suspend=False)
    plan: Plan = plan_for(job, live=True)
    job = after(job, plan)
    assert kstatus(job) == "InProgress"
    assert held(job)["Suspended"] == "False"
    assert held(job)["Reconciling"] == "True"


def test_a_job_on_its_way_out_is_terminating() -> None:
    """Whatever its conditions say."""
    job = MOMENTS["succeeded"][0]
    job = {**job, "metadata": {**job["metadata"], "deletionTimestamp": "2026-11-23T12:00:00Z"}}
    assert kstatus(job) == "Terminating"
