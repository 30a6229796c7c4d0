"""Each guard on made runs: silent on a healthy one, heard at the right step of a bad one, once."""

from dataclasses import replace
from math import inf, log, nan
from typing import Any

import pytest

from preftrain_api.guards import GUARD_DEFAULTS, GUARD_NAMES
from preftrain_api.report import Finding
from preftrain_api.spec.method import DpoLossType, MethodType
from preftrain_trainer.fit.layout import Precision
from preftrain_trainer.guards.book import GuardBook
from preftrain_trainer.guards.identity import StepOne, step_one_identity
from preftrain_trainer.guards.rules import RunFacts
from preftrain_trainer.guards.table import GUARDS, guards_of
from preftrain_trainer.progress.records import StepRecord
from support.guard_series import (
    FACTS,
    FACTS_OF,
    KTO,
    ORPO,
    always,
    evaluation,
    healthy,
    said,
    spoilt,
)

FIRST = StepRecord(step=1, loss=log(2), grad_norm=1.0, rewards_chosen=0.0, rewards_rejected=0.0)
EXPECTED = StepOne(loss=log(2), beta=0.1, answer_tokens=20, precision="FP32")


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


@pytest.mark.parametrize("method", ["DPO", "KTO", "ORPO"])
def test_guards_without_meaning_for_a_method_are_left_out(method: MethodType) -> None:
    """ORPO has no reference that its likelihoods could be compared with."""
    watching = set(guards_of(FACTS_OF[method]))
    assert {"NonFinite", "GradientSpikes", "Overfit"} <= watching
    assert ("Displacement" in watching) is (method != "ORPO")
    assert ("LabelImbalance" in watching) is (method == "KTO")
    assert ("LikelihoodLoss" in watching) is (method == "ORPO")


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


def test_a_record_writes_strange_numbers_as_text() -> None:
    """JSON has no NaN, and the evidence of a lost run must stay readable."""
    record = StepRecord.of_log(3, {"loss": nan, "rewards/margins": 0.5, "kl": 2.0}, 1.5)
    plain = record.plain()
    assert plain == {"step": 3, "seconds": 1.5, "loss": "nan", "reward_margin": 0.5, "kl": 2.0}
    assert record.metrics().loss is None
    assert record.metrics().reward_margin == 0.5
    again = StepRecord.of_plain(plain | {"findings": [], "later": 1})
    assert again.loss != again.loss
    assert replace(again, loss=None) == replace(record, loss=None)
