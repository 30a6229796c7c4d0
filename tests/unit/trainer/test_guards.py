"""Guards are silent on a healthy run; those of single methods hear what only they can."""

import re
from dataclasses import replace

import pytest

from preftrain_api.guards import GUARD_DEFAULTS, GUARD_NAMES
from preftrain_api.spec.method import MethodType
from preftrain_trainer.guards.book import GuardBook
from preftrain_trainer.guards.table import GUARDS, guards_of
from preftrain_trainer.progress.records import StepRecord
from support.guard_series import (
    FACTS,
    FACTS_OF,
    KTO,
    ORPO,
    always,
    healthy,
    said,
    spoilt,
)


@pytest.mark.parametrize("method", ["DPO", "KTO", "ORPO"])
@pytest.mark.parametrize("seed", range(10))
def test_a_healthy_run_is_left_in_peace(method: MethodType, seed: int) -> None:
    """Noise of single batches and answers of very different lengths are no reason to speak."""
    assert said(healthy(method, seed=seed), FACTS_OF[method]) == []


def test_every_guard_of_the_contract_is_there() -> None:
    """Two of them are judged elsewhere: before there are records, and when none come."""
    assert set(GUARDS) | {"Hyperparameters", "Stall"} == set(GUARD_NAMES) == set(GUARD_DEFAULTS)


def test_only_guards_that_are_exact_end_a_run_by_default() -> None:
    """All others would need more collapsed runs to be calibrated on than there have been."""
    stopping = {name for name, guard in GUARD_DEFAULTS.items() if guard.action == "Stop"}
    exact = {name for name, guard in GUARD_DEFAULTS.items() if guard.source.startswith("exact: ")}
    assert stopping == exact == {"NonFinite", "StepOneIdentity", "ResumeContinuity"}


@pytest.mark.parametrize("method", ["DPO", "KTO", "ORPO"])
def test_guards_without_meaning_for_a_method_are_left_out(method: MethodType) -> None:
    """ORPO has no reference that its likelihoods could be compared with."""
    watching = set(guards_of(FACTS_OF[method]))
    assert {"NonFinite", "GradientSpikes", "Overfit"} <= watching
    assert ("Displacement" in watching) is (method != "ORPO")
    assert ("LabelImbalance" in watching) is (method == "KTO")
    assert ("LikelihoodLoss" in watching) is (method == "ORPO")


def test_one_spike_is_forgotten_and_five_are_told() -> None:
    """The gradient is clipped; only a habit is a fault."""
    records = healthy()

    def spiky(steps: set[int], norm: float) -> list[StepRecord]:
        return [replace(r, grad_norm=norm) if r.step in steps else r for r in records]

    assert said(spiky({40}, 60.0)) == []
    assert said(spiky({40, 44, 48, 52, 56}, 60.0)) == [(56, "GradientSpikes", "Warning")]
    assert said(spiky({40}, 600.0)) == [(40, "GradientSpikes", "Warning")]
    stop = {"name": "GradientSpikes", "action": "Stop"}
    assert said(spiky({40}, 600.0), FACTS, stop) == [(40, "GradientSpikes", "Error")]
    assert said(spiky({5, 6, 7, 8, 9}, 600.0)) == []
    assert said(spoilt(records, 1, grad_norm=always(0.0))) == []


def test_kto_steps_of_one_label_are_told() -> None:
    """More than a fifth of them."""
    records = [
        replace(record, rewards_rejected=None, reward_margin=None) if record.step % 4 else record
        for record in healthy("KTO")
    ]
    assert said(records, KTO) == [(20, "LabelImbalance", "Warning")]
    other = spoilt(healthy("KTO"), 1, rewards_chosen=always(None), reward_margin=always(None))
    assert said(other, KTO) == [(20, "LabelImbalance", "Warning")]
    empty = spoilt(records, 1, rewards_chosen=always(None), rewards_rejected=always(None))
    assert said(empty, KTO) == []


def test_kto_far_from_its_reference_or_without_a_margin_is_told() -> None:
    """A flat loss, and labels that teach nothing."""
    assert said(spoilt(healthy("KTO"), 30, kl=always(80.0)), KTO) == [
        (34, "LabelImbalance", "Warning")
    ]
    against = said(spoilt(healthy("KTO"), 1, reward_margin=always(-0.1)), KTO)
    assert against == [(37, "LabelImbalance", "Warning")]


def test_orpo_that_forgets_good_answers_is_told_and_then_past_saving() -> None:
    """Measured from its own best."""
    found = said(spoilt(healthy("ORPO"), 30, negative_log_likelihood=always(2.4)), ORPO)
    assert found == [(31, "LikelihoodLoss", "Warning"), (36, "LikelihoodLoss", "Warning")]
    stop = {"name": "LikelihoodLoss", "action": "Stop"}
    assert said(spoilt(healthy("ORPO"), 30, negative_log_likelihood=always(2.4)), ORPO, stop)[
        -1
    ] == (
        36,
        "LikelihoodLoss",
        "Error",
    )


def test_orpo_whose_odds_do_not_rise_is_told() -> None:
    """After 30 % of the steps."""
    flat = spoilt(healthy("ORPO"), 1, log_odds_ratio=always(-0.7))
    assert said(flat, ORPO) == [(37, "LikelihoodLoss", "Warning")]
    unknown = spoilt(
        healthy("ORPO"), 1, log_odds_ratio=always(None), negative_log_likelihood=always(None)
    )
    assert said(unknown, ORPO) == []


@pytest.mark.parametrize(
    ("method", "spoils", "says"),
    [
        (
            "DPO",
            {"token_accuracy": 0.1},
            r"% lost \(threshold 10%\): .*; lower training.learningRate",
        ),
        ("DPO", {"entropy": 9.0}, r"nats \(threshold 2 times\): .*; lower training.learningRate"),
        ("DPO", {"entropy": 0.1}, r"nats \(threshold 0.3 times\): .*; lower training.learningRate"),
        (
            "DPO",
            {"log_probability_chosen": -900.0, "rewards_chosen": -75.0},
            r"lost [\d.]+ nats .*; threshold 1.5 nats, or 2.5 times .*; lower training",
        ),
        ("KTO", {"rewards_rejected": None}, r"\d% of .* \(threshold 20%\); raise training.micro"),
        ("KTO", {"kl": 80.0}, r"nats a token \(threshold 0.3\): .*; lower training.learningRate"),
        ("ORPO", {"negative_log_likelihood": 2.4}, r"\d% \(threshold 10%\): .*; lower training"),
    ],
)
def test_a_finding_names_figure_threshold_and_way_out(
    method: MethodType, spoils: dict[str, float | None], says: str
) -> None:
    """So that nobody has to look them up to judge whether it matters."""
    book = GuardBook(None, FACTS_OF[method])
    series = spoilt(healthy(method), 20, **{name: always(v) for name, v in spoils.items()})
    found = [finding.message for record in series for finding in book.record(record)]
    assert any(re.search(says, message) for message in found), found
