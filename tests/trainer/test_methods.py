"""Real Unsloth and TRL on the CPU: each method learns, and is judged by its own rules."""

from math import exp, expm1, log, log1p
from statistics import fmean
from typing import Any

import pytest

from preftrain_api.exit_codes import ExitCode

from .conftest import Train

pytestmark = pytest.mark.trainer

FAST = {"learningRate": 1e-3, "maxSteps": 4, "warmupRatio": 0.0}


@pytest.mark.parametrize("method", ["ORPO", "KTO"])
def test_preferences_are_learnt(train: Train, method: str) -> None:
    """From the same pairs as DPO does; the method's own figures are logged."""
    run = train(
        members={
            "training": FAST | {"maxSteps": 12, "learningRate": 2e-3},
            "method": {"type": method},
        },
        rows=32,
        held_out=20,
    )
    assert run["error"] is None
    losses = [record["loss"] for record in run["records"]]
    assert losses[-1] < losses[0]
    assert run["evaluation"]["pairs"] == 20
    assert run["evaluation"]["rewardAccuracy"] >= 0.9
    assert run["adapters"] == ["default"]
    last = run["records"][-1]
    own = {"KTO": ("kl",), "ORPO": ("negative_log_likelihood", "log_odds_ratio", "log_odds_chosen")}
    for name in ("reward_margin", "logits_chosen", "logits_rejected", *own[method]):
        assert last[name] is not None, name


def names(run: dict[str, Any]) -> list[str]:
    """Findings but the one that the tests' learning rates are large."""
    found = [finding["name"] for finding in run["findings"]]
    return [name for name in found if name != "Hyperparameters"]


def test_labelled_answers_are_learnt(train: Train) -> None:
    """Three good ones to a bad one: the weights follow, and held-out ones are matched."""
    run = train(
        members={
            "training": FAST | {"maxSteps": 10, "learningRate": 2e-3},
            "method": {"type": "KTO"},
        },
        rows=32,
        held_out=24,
        unpaired=True,
    )
    assert run["error"] is None
    # Each micro-batch holds three good answers of weight 1 and a bad one of weight 3.
    assert run["records"][0]["loss"] == pytest.approx(0.75, abs=1e-5)
    assert run["records"][-1]["loss"] < 0.6
    assert run["evaluation"]["pairs"] == 6
    assert run["evaluation"]["rewardAccuracy"] == 1
    assert names(run) == []


def test_weights_that_do_not_suit_the_labels_are_warned_of(train: Train) -> None:
    """The run goes on with what was asked for."""
    members = {
        "training": FAST | {"maxSteps": 1},
        "method": {"type": "KTO", "kto": {"desirableWeight": 1, "undesirableWeight": 1}},
    }
    run = train(members=members, rows=32, held_out=0, unpaired=True)
    assert names(run) == ["ktoWeights"]
    assert run["records"][0]["loss"] == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("method", ["DPO", "KTO"])
def test_reference_values_in_advance_change_nothing(train: Train, method: str) -> None:
    """The same losses, from half the forward passes."""
    members = {"training": FAST, "method": {"type": method}}
    ahead = members | {"training": FAST | {"precomputeReference": True}}
    each_step = train("each-step", members=members)
    before = train("before", members=ahead)
    assert before["error"] is None
    assert [record["loss"] for record in before["records"]] == pytest.approx(
        [record["loss"] for record in each_step["records"]], abs=1e-5
    )


@pytest.mark.parametrize("method", ["ORPO", "KTO"])
def test_dropout_is_checked_before_the_first_step(train: Train, method: str) -> None:
    """With dropout off; the first logged figures are the training's own."""
    run = train(members={"training": FAST, "method": {"type": method}, "lora": {"dropout": 0.5}})
    assert run["error"] is None
    assert len(run["records"]) == 4


@pytest.mark.parametrize("method", ["ORPO", "KTO"])
def test_a_false_start_stops_the_run(train: Train, method: str) -> None:
    """KTO's reference is wrong when the adapter is not fresh. ORPO has none to be wrong, so
    there a trained adapter is only another start.
    """
    run = train(members={"training": FAST, "method": {"type": method}}, spoil="adapter")
    if method == "KTO":
        assert run["error"]["code"] == ExitCode.GUARD_STOPPED
        assert "StepOneIdentity" in run["error"]["message"]
    else:
        assert run["error"] is None


def test_orpo_is_judged_without_a_reference(train: Train) -> None:
    """Loss, margin and accuracy from plain logits in 64 bits, pair by pair."""
    beta = 0.25
    run = train(
        members={
            "training": FAST | {"learningRate": 5e-3, "microBatchSize": 4},
            "method": {"type": "ORPO", "orpo": {"beta": beta}},
        },
        held_out=4,
        by_hand=True,
    )
    pairs = run["by_hand"]
    means = [
        (p["chosen"] / p["chosen_tokens"], p["rejected"] / p["rejected_tokens"]) for p in pairs
    ]
    evaluation = run["evaluation"]
    assert evaluation["rewardAccuracy"] == fmean(chosen > rejected for chosen, rejected in means)
    assert evaluation["rewardMargin"] == pytest.approx(beta * fmean(c - r for c, r in means))
    tokens = sum(p["chosen_tokens"] + p["prompt_tokens"] for p in pairs)
    likelihood = -sum(p["chosen"] + p["prompt"] for p in pairs) / tokens
    odds = [(c - log(-expm1(c))) - (r - log(-expm1(r))) for c, r in means]
    expected = likelihood + beta * fmean(log1p(exp(-each)) for each in odds)
    assert evaluation["loss"] == pytest.approx(expected, abs=1e-4)
    assert evaluation["chosenLogRatio"] == pytest.approx(
        fmean(p["chosen"] - p["ref_chosen"] for p in pairs), abs=1e-3
    )


def test_conversations_train_with_every_method(train: Train) -> None:
    """System turns and all, from the chat template."""
    for method in ("ORPO", "KTO"):
        members: dict[str, Any] = {
            "training": FAST | {"maxSteps": 1},
            "method": {"type": method},
        }
        run = train(method, members=members, conversational=True, held_out=2)
        assert (run["error"], run["rendering"]) == (None, "ChatTemplate")
