"""Real Unsloth and TRL on the CPU: every loss, from the first step's exact value on."""

from math import log
from statistics import fmean
from typing import Any

import pytest

from .conftest import Train

pytestmark = pytest.mark.trainer

FAST = {"learningRate": 1e-3, "maxSteps": 4, "warmupRatio": 0.0}


def dpo(**members: Any) -> dict[str, Any]:
    return {"type": "DPO", "dpo": members}


@pytest.mark.parametrize(
    ("losses", "beta", "constant"),
    [
        (["Sigmoid"], 0.1, log(2)),
        (["Sigmoid", "Hinge"], 0.3, log(2) + 1),
    ],
)
def test_a_loss_starts_at_its_constant_and_falls(
    train: Train, losses: list[str], beta: float, constant: float
) -> None:
    """The first logged loss is exact within 1e-5, and training lowers it."""
    run = train(
        members={
            "training": FAST,
            "method": dpo(beta=beta, losses=[{"type": loss} for loss in losses]),
        }
    )
    assert run["error"] is None
    curve = [record["loss"] for record in run["records"]]
    assert len(curve) == 4
    assert curve[0] == pytest.approx(constant, rel=1e-5)
    assert curve[-1] < curve[0]
    assert run["records"][-1]["reward_margin"] > 0
    assert run["end_hash"] != run["start_hash"]


def test_a_likelihood_term_is_checked_against_plain_logits(train: Train) -> None:
    """Sigmoid with SFT starts at ln 2 plus the weighted likelihood of the first batch. The
    guard compares; a run with the adapter at rest shows that what it measured is right.
    """
    members = {
        "training": FAST | {"maxSteps": 1, "learningRate": 0.0, "batchSize": 4},
        "method": dpo(losses=[{"type": "Sigmoid"}, {"type": "SFT", "weight": 0.5}]),
    }
    run = train(members=members, rows=4, held_out=4, by_hand=True)
    assert run["error"] is None
    # With nothing learnt the held-out loss has the same two parts, computed by hand here.
    tokens = sum(pair["chosen_tokens"] for pair in run["by_hand"])
    likelihood = -sum(pair["chosen"] for pair in run["by_hand"]) / tokens
    assert run["evaluation"]["loss"] == pytest.approx(log(2) + 0.5 * likelihood, rel=1e-5)
    assert run["records"][0]["loss"] == pytest.approx(log(2) + 0.5 * likelihood, rel=0.1)


def test_preferences_are_learnt(train: Train) -> None:
    """After three epochs nearly every held-out pair is told apart, by a growing margin."""
    run = train(
        members={"training": FAST | {"maxSteps": 12, "learningRate": 2e-3}},
        rows=32,
        held_out=20,
    )
    margins = [record["reward_margin"] for record in run["records"]]
    assert margins[0] == 0
    assert fmean(margins[-3:]) > 0.3
    assert run["evaluation"]["rewardAccuracy"] >= 0.9
    assert run["evaluation"]["accuracyLow"] > 0.5
    assert run["evaluation"]["rewardMargin"] > 0.3


def test_without_a_learning_rate_nothing_is_learnt(train: Train) -> None:
    """Every figure stays at its start, and ties count as wrong."""
    run = train(members={"training": FAST | {"learningRate": 0.0}})
    assert run["end_hash"] == run["start_hash"]
    assert {record["reward_margin"] for record in run["records"]} == {0.0}
    assert run["evaluation"]["rewardAccuracy"] == 0
    assert run["evaluation"]["chosenLogRatio"] == 0


def test_dropout_of_the_adapter_is_applied(train: Train) -> None:
    """With dropout the first loss is checked before training, and the run goes another way."""
    with_dropout = train("with", members={"training": FAST, "lora": {"dropout": 0.5}})
    without = train("without", members={"training": FAST})
    assert with_dropout["error"] is None
    assert with_dropout["start_hash"] == without["start_hash"]
    assert with_dropout["end_hash"] != without["end_hash"]


def test_the_same_run_twice_is_the_same_adapter(train: Train) -> None:
    """Bit for bit on one machine; another seed leads elsewhere."""
    first = train("first", members={"training": FAST})
    again = train("again", members={"training": FAST})
    other = train("other", members={"training": FAST | {"seed": 7}})
    assert first["end_hash"] == again["end_hash"]
    assert other["start_hash"] != first["start_hash"]
    assert other["end_hash"] != first["end_hash"]


def test_the_micro_batch_changes_memory_not_the_result(train: Train) -> None:
    """One pair at a time or four give the same losses."""
    one = train("one", members={"training": FAST | {"microBatchSize": 1}})
    four = train("four", members={"training": FAST | {"microBatchSize": 4}})
    assert [record["loss"] for record in one["records"]] == pytest.approx(
        [record["loss"] for record in four["records"]], rel=1e-4
    )
