"""Guards that hear a model being destroyed, each at its step and no more often than needed."""

from dataclasses import replace

import pytest

from preftrain_api.spec.method import DpoLossType
from preftrain_trainer.guards.table import guards_of
from preftrain_trainer.progress.records import StepRecord
from support.guard_series import (
    FACTS,
    always,
    healthy,
    said,
    spoilt,
)


def collapse(since: int = 30) -> list[StepRecord]:
    """What is seen when a model is destroyed: perfect rewards, and noise on the tokens."""
    return spoilt(
        healthy(),
        since,
        loss=always(0.1),
        reward_accuracy=always(1.0),
        token_accuracy=always(0.1),
        entropy=always(9.0),
        rewards_chosen=always(-40.0),
        log_probability_chosen=always(-550.0),
    )


def test_a_collapse_is_found_within_a_few_steps_though_every_pair_is_told_apart() -> None:
    """Each of the three guards speaks twice: when it warns, and when the run is past saving."""
    found = said(collapse())
    assert [entry for entry in found if entry[1] == "Entropy"] == [
        (33, "Entropy", "Warning"),
        (51, "Entropy", "Warning"),
    ]
    assert [entry for entry in found if entry[1] == "TokenAccuracy"] == [
        (31, "TokenAccuracy", "Warning"),
        (43, "TokenAccuracy", "Warning"),
    ]
    assert [name for _, name, _ in found].count("Displacement") == 2
    assert all(severity == "Warning" for _, _, severity in found)


def test_a_collapse_ends_the_run_where_it_is_asked_to() -> None:
    """Not when it is first noticed, but when the model is past saving."""
    for name, step in (("TokenAccuracy", 43), ("Entropy", 51)):
        found = said(collapse(), FACTS, {"name": name, "action": "Stop"})
        assert [step for step, *_, severity in found if severity == "Error"] == [step]


def test_another_threshold_moves_the_end_in_proportion() -> None:
    """Half of the tokens lost is past saving at 0.3, and not at 0.6."""
    records = spoilt(healthy(), 30, token_accuracy=always(0.28))
    assert len(said(records)) == 2
    assert len(said(records, FACTS, {"name": "TokenAccuracy", "threshold": 0.2})) == 1
    assert said(records, FACTS, {"name": "TokenAccuracy", "threshold": 0.6}) == []


def test_chosen_answers_may_become_less_likely_as_in_ordinary_runs() -> None:
    """Public runs end at about twice the log-probability; that alone is no collapse."""

    def twice(record: StepRecord) -> float:
        reference = (record.log_probability_chosen or 0) - (record.rewards_chosen or 0) / 0.1
        return 0.1 * (reference * 1.8 - reference)

    fallen = spoilt(
        healthy(),
        20,
        log_probability_chosen=lambda record: (record.log_probability_chosen or 0) * 1.8,
        rewards_chosen=twice,
    )
    assert said(fallen) == []


def test_a_deep_fall_is_told_and_is_grave_only_with_a_second_sign() -> None:
    """The likelihood alone says little; with noise on the tokens it says that the model is gone."""
    fallen = spoilt(
        healthy(), 20, log_probability_chosen=always(-900.0), rewards_chosen=always(-75.0)
    )
    stop = {"name": "Displacement", "action": "Stop"}
    assert [severity for *_, severity in said(fallen, FACTS, stop)] == ["Warning"]
    unknown = spoilt(fallen, 1, token_accuracy=always(None), entropy=always(None))
    assert [severity for *_, severity in said(unknown, FACTS, stop)] == ["Warning"]
    for sign in ({"token_accuracy": always(0.3)}, {"entropy": always(6.0)}):
        both = said(spoilt(fallen, 40, **sign), FACTS, stop)
        assert ("Displacement", "Error") in [entry[1:] for entry in both]


def test_a_model_that_begins_to_repeat_itself_is_told_of() -> None:
    """Entropy near 0 is mode collapse; it never ends a run."""
    stop = {"name": "Entropy", "action": "Stop"}
    found = said(spoilt(healthy(), 30, entropy=always(0.1)), FACTS, stop)
    assert [entry[1:] for entry in found] == [("Entropy", "Warning")]


def test_entropy_must_also_rise_by_something() -> None:
    """Three times next to nothing is next to nothing."""
    sure = spoilt(healthy(), 1, entropy=always(0.01))
    assert said(spoilt(sure, 30, entropy=always(0.04))) == []


def test_a_saturated_loss_is_told_and_an_absurd_margin_is_grave() -> None:
    """At a margin of 5 the gradient has a weight of 0.7 %."""
    full = {"reward_margin": always(8.0), "reward_accuracy": always(1.0)}
    saturated = [entry for entry in said(spoilt(healthy(), 60, **full)) if "Sat" in entry[1]]
    assert saturated == [(88, "Saturation", "Warning")]
    absurd = {"reward_margin": always(90.0)}
    stop = {"name": "Saturation", "action": "Stop"}
    assert said(spoilt(healthy(), 60, **absurd), FACTS, stop) == [(63, "Saturation", "Error")]


@pytest.mark.parametrize(
    ("losses", "watched"),
    [
        ({"Sigmoid"}, True),
        ({"Hinge", "SFT"}, True),
        ({"IPO"}, False),
        ({"Sigmoid", "SigmoidNorm"}, False),
        ({"SFT"}, False),
    ],
)
def test_margins_are_judged_only_where_the_loss_fades_with_them(
    losses: set[DpoLossType], watched: bool
) -> None:
    """IPO aims at a margin a token; what is large for Sigmoid is its aim."""
    facts = replace(FACTS, losses=frozenset(losses))
    assert ("Saturation" in guards_of(facts)) is watched
