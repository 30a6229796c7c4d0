"""Which jobs are started, and what is written first."""

import json

import pytest

from preftrain_operator.core.policies.accept import filled_in
from preftrain_operator.core.reading import read_spec
from support.situations import (
    SKIP,
    after,
    condition,
    make_child,
    make_job,
    make_pod,
    plan_for,
    started,
    training,
)
from support.training_jobs import SPEC, TRAINED


def test_the_first_plan_freezes_the_spec_and_creates_the_prepare_job() -> None:
    """One status write with startTime and the reserved name, then that Job, and an Event."""
    plan = plan_for(make_job())
    assert plan.status is not None
    assert plan.status.start_time is not None
    assert plan.status.run_revision == 1
    assert [(ref.stage, ref.name, ref.uid) for ref in plan.status.job_refs] == [
        ("Prepare", "run-r1-prepare", None)
    ]
    assert plan.create is not None
    assert plan.create["metadata"]["name"] == "run-r1-prepare"
    assert [event.key for event in plan.events] == ["Started"]
    assert condition(plan, "Accepted") == ("True", "Accepted")
    assert condition(plan, "Reconciling") == ("True", "Preparing")


def test_without_audit_the_training_job_comes_first() -> None:
    """Policy Skip reserves attempt 1 at once."""
    plan = plan_for(make_job({**SPEC, "dataset": SKIP}))
    assert plan.status is not None
    assert plan.create is not None
    assert plan.create["metadata"]["name"] == "run-r1-1"
    assert [entry.job for entry in plan.status.attempts] == ["run-r1-1"]
    assert condition(plan, "DataReady") == ("True", "PrepareSkipped")


@pytest.mark.fault(34)
@pytest.mark.case(17)
@pytest.mark.parametrize(
    ("members", "accepted", "named"),
    [
        ({"guards": [{"name": "Stall", "action": "Stop"}]}, ("False", "Unsupported"), "guards"),
        ({"compute": {"image": "evil:1"}}, ("False", "ImageNotAllowed"), "compute.image"),
        ({"compute": {"image": "teamx:1"}}, ("False", "ImageNotAllowed"), "compute.image"),
        ({"sparkle": True}, ("Unknown", "NewerSchema"), "spec.sparkle"),
        ({"model": {"uri": "ftp://x"}}, ("False", "BadSpec"), "spec.model.uri"),
        (
            {"compute": {"affinity": {"nodeAffinity": {"x": "y" * 66_000}}}},
            ("False", "SpecTooLarge"),
            "spec.compute",
        ),
    ],
)
def test_what_cannot_be_run_is_not_started(
    members: dict[str, object], accepted: tuple[str, str], named: str
) -> None:
    """Nothing is created or frozen, the job is stalled, and the message names the field."""
    job = make_job({**SPEC, **members})
    plan = plan_for(job)
    assert plan.create is None
    assert plan.status is not None
    assert plan.status.start_time is None
    assert condition(plan, "Accepted") == accepted
    assert condition(plan, "Stalled")[0] == "True"
    assert condition(plan, "Reconciling")[0] == "False"
    message = next(item.message for item in plan.status.conditions if item.type == "Accepted")
    assert named in message
    assert plan_for(after(job, plan)).is_empty


@pytest.mark.parametrize("image", ["trainer:1", "team/own:3", "other:2"])
def test_allowed_images_are_used(image: str) -> None:
    """The installation's own, an exact one, and a prefix with a star."""
    job = make_job({**SPEC, "dataset": SKIP, "compute": {"image": image}})
    plan = plan_for(job)
    assert plan.create is not None
    (container,) = plan.create["spec"]["template"]["spec"]["containers"]
    assert container["image"] == image


@pytest.mark.case(19)
def test_a_corrected_spec_is_started() -> None:
    """A refusal is not an end: no completionTime, and the edit is judged anew."""
    job = make_job({**SPEC, "guards": [{"name": "Stall", "action": "Stop"}]})
    refused = after(job, plan_for(job))
    corrected = {**refused, "spec": SPEC}
    plan = plan_for(corrected)
    assert plan.create is not None
    assert condition(plan, "Failed") == ("False", "InProgress")
    assert condition(plan, "Stalled") == ("False", "InProgress")


def test_a_spec_that_became_unreadable_leaves_the_run_alone() -> None:
    """An older operator marks a run that a newer one started, and touches nothing."""
    job = started({**SPEC})
    plan = plan_for({**job, "spec": {**SPEC, "sparkle": True}})
    assert condition(plan, "Accepted") == ("Unknown", "NewerSchema")
    assert condition(plan, "Reconciling") == ("True", "Preparing")
    assert plan.create is None
    assert not plan.deletes


@pytest.mark.parametrize(("end", "code"), [("Complete", 0), ("Failed", 65)])
def test_a_verdict_is_of_a_spec_that_was_accepted(end: str, code: int) -> None:
    """Whatever an older operator made of it in between: the run was made from it."""
    job = training()
    marked = after(job, plan_for({**job, "spec": {**job["spec"], "sparkle": True}}))
    child = make_child(conditions={end: {"reason": "PodFailurePolicy"}})
    pod = make_pod(child, exit_code=code, message=json.dumps(TRAINED))
    plan = plan_for({**marked, "spec": job["spec"]}, child, pods=(pod,))
    assert plan.status is not None
    assert plan.status.completion_time is not None
    assert condition(plan, "Accepted") == ("True", "Accepted")


def test_created_suspended_nothing_is_frozen() -> None:
    """Suspended from the start: no startTime, no Job."""
    job = make_job({**SPEC, "suspend": True})
    plan = plan_for(job)
    assert plan.create is None
    assert plan.status is not None
    assert plan.status.start_time is None
    assert condition(plan, "Suspended") == ("True", "Suspended")
    assert plan_for(after(job, plan)).is_empty


@pytest.mark.fault(22)
@pytest.mark.case(14)
def test_a_deleted_job_is_left_alone() -> None:
    """What is being deleted gets no Job and no status."""
    plan = plan_for(make_job(deleting=True))
    assert plan.is_empty


def test_defaults_that_were_filled_in_are_shown() -> None:
    """What the user set is not repeated; what was chosen is."""
    spec = read_spec({**SPEC, "training": {"learningRate": 1e-5}}).spec
    assert spec is not None
    shown = filled_in(spec)
    assert "training.learningRate" not in shown
    assert shown["training.epochs"] == "1"
    assert shown["method.dpo.losses"] == '[{"type": "Sigmoid", "weight": 1.0}]'
