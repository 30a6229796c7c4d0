"""Guards that judge what cannot be otherwise: numbers, first rewards, a resumed adapter."""

from dataclasses import replace
from math import inf, log, nan

import pytest

from preftrain_trainer.fit.layout import Precision
from preftrain_trainer.guards.book import GuardBook
from preftrain_trainer.guards.identity import StepOne, step_one_identity
from preftrain_trainer.guards.rules import RunFacts
from preftrain_trainer.progress.records import StepRecord
from support.guard_series import (
    FACTS,
    always,
    healthy,
    said,
    spoilt,
)

FIRST = StepRecord(step=1, loss=log(2), grad_norm=1.0, rewards_chosen=0.0, rewards_rejected=0.0)
EXPECTED = StepOne(loss=log(2), beta=0.1, answer_tokens=20, precision="FP32")


def test_a_loss_that_is_no_number_ends_the_run_at_once() -> None:
    """From there on every weight is lost."""
    for value in (nan, inf, -inf):
        records = spoilt(healthy(), 7, loss=always(value))
        assert said(records)[0] == (7, "NonFinite", "Error")


def test_a_gradient_that_is_no_number_ends_the_run_at_the_third_in_a_row() -> None:
    """Loss scaling overflows now and then while it looks for its scale."""
    records = healthy()
    assert said(spoilt(records, 7, grad_norm=always(nan)))[0] == (9, "NonFinite", "Error")
    now_and_then = [
        replace(record, grad_norm=inf) if record.step % 3 else record for record in records
    ]
    assert said(now_and_then) == []


@pytest.mark.parametrize(
    ("precision", "loss", "found"),
    [
        ("FP32", log(2) + 5e-5, False),
        ("FP32", log(2) + 5e-4, True),
        ("BF16", log(2) + 0.015, False),
        ("BF16", log(2) + 0.03, True),
        ("FP32", nan, True),
    ],
)
def test_the_first_loss_must_be_exact(precision: Precision, loss: float, found: bool) -> None:
    """Within 1e-4 in 32 bits and 2 % in 16 bits."""
    expected = replace(EXPECTED, precision=precision)
    alarm = step_one_identity(replace(FIRST, loss=loss), expected, 0.02)
    assert (alarm is not None) is found


def test_a_reward_before_any_update_is_found() -> None:
    """The loss can be right by chance; then the rewards betray a wrong reference."""
    alarm = step_one_identity(replace(FIRST, rewards_rejected=-0.5), EXPECTED, 0.02)
    assert alarm is not None
    assert "rejected" in alarm.message
    assert "-0.5" in alarm.message


@pytest.mark.parametrize(("reward", "found"), [(-0.58, False), (-0.55, True), (0.0, True)])
def test_a_reward_without_reference_starts_where_it_was_measured(
    reward: float, found: bool
) -> None:
    """ORPO's rewards are mean log-probabilities, which are not 0 before training."""
    expected = replace(EXPECTED, answer_tokens=1, chosen_reward=-0.58, rejected_reward=-0.6)
    record = replace(FIRST, rewards_chosen=reward, rewards_rejected=-0.6)
    assert (step_one_identity(record, expected, 0.02) is not None) is found


def test_later_steps_are_free() -> None:
    """Training moves away from the start; that is its purpose."""
    assert step_one_identity(replace(FIRST, step=2, loss=0.1), EXPECTED, 0.02) is None


def test_the_first_step_ends_a_run_with_another_loss() -> None:
    """And another threshold lets it pass, in proportion also in 32 bits."""
    facts = replace(FACTS, expected=EXPECTED)
    records = spoilt(healthy(), 1, loss=always(log(2) + 5e-4))
    assert said(records, facts)[0] == (1, "StepOneIdentity", "Error")
    assert said(records[:1], facts, {"name": "StepOneIdentity", "threshold": 0.2}) == []


def resumed(records: list[StepRecord], after: int, facts: RunFacts = FACTS) -> list[str]:
    """What is said when the process is replaced after step `after`."""
    before = GuardBook(None, facts)
    for record in records[:after]:
        before.record(record)
    book = GuardBook(None, replace(facts, expected=None))
    book.restore(before.state())
    for record in records[after:]:
        book.record(record)
    return [finding.name for finding in book.findings]


def test_a_resume_that_goes_on_is_left_in_peace() -> None:
    """Even where the first batch's margin happens to be small."""
    records = healthy()
    assert resumed(records, 60) == []
    flat = spoilt(records, 1, rewards_rejected=lambda record: record.rewards_chosen)
    trained = spoilt(flat, 1, rewards_chosen=always(0.4), rewards_rejected=always(0.38))
    assert resumed(trained, 60) == []


def test_a_resume_without_the_trained_adapter_ends_the_run() -> None:
    """Rewards of 0 and the loss of an untrained model, where there was a margin."""
    records = [
        replace(
            record,
            loss=log(2),
            rewards_chosen=0.0,
            rewards_rejected=1e-4,
            reward_margin=-1e-4,
        )
        if record.step == 61
        else record
        for record in healthy()
    ]
    assert resumed(records, 60) == ["ResumeContinuity"]
    assert said(records) == []
    assert resumed(records, 3) == []  # too early to miss anything


def test_a_resumed_loss_that_is_not_the_untrained_one_is_believed() -> None:
    """Then rewards of 0 come from something else than a lost adapter."""
    records = [
        replace(record, rewards_chosen=0.0, rewards_rejected=0.0, loss=0.3)
        if record.step == 61
        else record
        for record in healthy()
    ]
    assert resumed(records, 60) == []
    without = spoilt(records, 1, loss=always(None))
    assert resumed(without, 60) == ["ResumeContinuity"]


def test_no_gradient_is_found_ten_steps_after_it_should_be_there() -> None:
    """Pairs whose answers are the same once they are cut."""
    still = {
        "loss": always(log(2)),
        "grad_norm": always(3e-7),
        "reward_margin": always(0.0),
        "reward_accuracy": always(0.0),
    }
    assert said(spoilt(healthy(), 1, **still)) == [(40, "NoSignal", "Warning")]
    assert said(spoilt(healthy(), 1, **still | {"loss": always(None)})) == [
        (40, "NoSignal", "Warning")
    ]
    stop = {"name": "NoSignal", "action": "Stop"}
    assert said(spoilt(healthy(), 1, **still), FACTS, stop) == [(40, "NoSignal", "Error")]
    assert said(spoilt(healthy(), 1, **still | {"loss": always(0.3)})) == []
    assert said(spoilt(healthy(), 1, **still | {"reward_margin": always(None)})) == []
