"""What ends a run that cannot become a good adapter."""

from dataclasses import replace
from math import inf, log, nan

import pytest

from preftrain_trainer.fit.layout import Precision
from preftrain_trainer.guards.identity import StepOne, non_finite, step_one_identity
from preftrain_trainer.progress.records import StepRecord

FIRST = StepRecord(step=1, loss=log(2), grad_norm=1.0, rewards_chosen=0.0, rewards_rejected=0.0)
EXPECTED = StepOne(loss=log(2), beta=0.1, answer_tokens=20, precision="FP32")


@pytest.mark.parametrize(("field", "value"), [("loss", nan), ("loss", inf), ("grad_norm", -inf)])
def test_a_figure_that_is_no_number_is_found(field: str, value: float) -> None:
    """The finding says which figure, and at which step."""
    finding = non_finite(replace(FIRST, step=7, **{field: value}))
    assert finding is not None
    assert (finding.name, finding.step) == ("NonFinite", 7)
    assert str(value) in finding.message
    assert non_finite(FIRST) is None


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
    finding = step_one_identity(replace(FIRST, loss=loss), expected)
    assert (finding is not None) is found


def test_a_reward_before_any_update_is_found() -> None:
    """The loss can be right by chance; then the rewards betray a wrong reference."""
    finding = step_one_identity(replace(FIRST, rewards_rejected=-0.5), EXPECTED)
    assert finding is not None
    assert "rejected" in finding.message
    assert "-0.5" in finding.message


@pytest.mark.parametrize(("reward", "found"), [(-0.58, False), (-0.55, True), (0.0, True)])
def test_a_reward_without_reference_starts_where_it_was_measured(
    reward: float, found: bool
) -> None:
    """ORPO's rewards are mean log-probabilities, which are not 0 before training."""
    expected = replace(EXPECTED, answer_tokens=1, chosen_reward=-0.58, rejected_reward=-0.6)
    record = replace(FIRST, rewards_chosen=reward, rewards_rejected=-0.6)
    assert (step_one_identity(record, expected) is not None) is found


def test_later_steps_are_free() -> None:
    """Training moves away from the start; that is its purpose."""
    assert step_one_identity(replace(FIRST, step=2, loss=0.1), EXPECTED) is None


def test_a_record_writes_strange_numbers_as_text() -> None:
    """JSON has no NaN, and the evidence of a lost run must stay readable."""
    record = StepRecord.of_log(3, {"loss": nan, "rewards/margins": 0.5}, 1.5)
    assert record.plain() == {"step": 3, "seconds": 1.5, "loss": "nan", "reward_margin": 0.5}
    assert record.metrics().loss is None
    assert record.metrics().reward_margin == 0.5
