"""Guards that hear it in accuracies: too good at once, too bad on held-out pairs."""

from dataclasses import replace
from typing import Any

import pytest

from preftrain_api.report import Finding
from preftrain_trainer.guards.book import GuardBook
from preftrain_trainer.guards.rules import RunFacts
from support.guard_series import (
    FACTS,
    KTO,
    ORPO,
    always,
    evaluation,
    healthy,
    said,
    spoilt,
)


def test_pairs_that_are_told_apart_at_once_are_suspicious() -> None:
    """Within half an epoch; later it is what training is for."""
    easy = {"reward_accuracy": always(1.0), "loss": always(0.01)}
    facts = replace(FACTS, steps_per_epoch=200.0)
    assert said(spoilt(healthy(), 1, **easy), facts) == [(11, "TriviallySeparable", "Warning")]
    accurate = {"reward_accuracy": always(1.0)}
    assert said(spoilt(healthy(), 1, **accurate), facts) == [(60, "TriviallySeparable", "Warning")]
    assert said(spoilt(healthy(), 1, **accurate)) == []
    hinge = replace(facts, losses=frozenset({"Hinge"}))
    assert said(spoilt(healthy(), 1, loss=always(0.0)), hinge) == []


def judged(
    accuracies: list[float], facts: RunFacts = FACTS, **figures: list[Any]
) -> list[tuple[int | None, str, str]]:
    """What evaluations after every 20th step bring up; with action Stop for both guards."""
    book = GuardBook(None, facts)
    told: list[Finding] = []
    for record in healthy():
        book.record(record)
        turn = record.step // 20 - 1
        if record.step % 20 == 0 and turn < len(accuracies):
            extra = {name: values[turn] for name, values in figures.items()}
            told += book.evaluated(record.step, evaluation(accuracies[turn], **extra))
    return [(finding.step, finding.name, finding.severity) for finding in told]


def test_a_gap_between_training_and_held_out_accuracy_is_told() -> None:
    """Where it is larger than the interval of the held-out pairs explains."""
    assert judged([0.6, 0.6, 0.6, 0.65]) == []
    assert judged([0.6, 0.6, 0.6, 0.6, 0.5, 0.45])[0] == (100, "Overfit", "Warning")
    few = [0.95] * 6
    assert judged([0.5] * 6, accuracy_high=few) == []


def test_a_large_gap_is_past_saving_at_the_second_evaluation() -> None:
    """One evaluation may be unlucky."""
    book = GuardBook(None, FACTS)
    for record in spoilt(healthy(), 1, reward_accuracy=always(0.95)):
        book.record(record)
    assert [finding.step for finding in book.evaluated(80, evaluation(0.55))] == [80]
    assert book.evaluated(100, evaluation(0.8)) == ()
    assert book.evaluated(120, evaluation(0.55)) == ()
    assert [finding.step for finding in book.evaluated(140, evaluation(0.55))] == [140]


def test_a_held_out_loss_that_rises_is_told_at_the_third_time() -> None:
    """By more than 0.02 and 5 %; KTO and ORPO have this sign alone."""
    rising: list[Any] = [0.6, 0.5, 0.54, 0.55, 0.56, 0.57]
    for facts in (FACTS, KTO, ORPO):
        assert judged([0.7] * 6, facts, loss=rising) == [(100, "Overfit", "Warning")]
    assert judged([0.7] * 6, loss=[0.6, 0.5, 0.54, 0.51, 0.54, 0.55]) == []
    assert judged([0.7] * 6, loss=[None] * 6) == []


def test_labels_that_contradict_each_other_are_found() -> None:
    """Twice in a row below chance, after 30 % of the steps."""
    found = [entry for entry in judged([0.3] * 6) if entry[1] == "InvertedLabels"]
    assert found == [(60, "InvertedLabels", "Warning")]


@pytest.mark.parametrize("figures", [{"reward_margin": [0.01] * 6}, {"accuracy_high": [0.6] * 6}])
def test_ties_and_few_pairs_are_no_inverted_labels(figures: dict[str, Any]) -> None:
    """A tie counts as wrong, so a run that has learnt nothing has an accuracy of 0."""
    assert "InvertedLabels" not in [name for _, name, _ in judged([0.1] * 6, **figures)]
