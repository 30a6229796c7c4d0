"""What the guards of a run remember: once said is said, a resume forgets nothing."""

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preftrain_api.report import Finding
from preftrain_api.spec.method import MethodType
from preftrain_trainer.errors import BadSpec, InternalError
from preftrain_trainer.guards.admission import admission, refuse_inadmissible
from preftrain_trainer.guards.book import GuardBook
from preftrain_trainer.guards.rules import Limits, facts_of, limits_of
from preftrain_trainer.guards.stall import stalled
from preftrain_trainer.progress.records import StepRecord
from support.guard_series import FACTS, FACTS_OF, always, evaluation, healthy, said, spoilt
from support.specs import resolved_spec

ODD = st.none() | st.floats(-1e9, 1e9) | st.sampled_from([nan, inf, -inf])
FIGURES = [field.name for field in fields(StepRecord) if field.name != "step"]
RECORD = st.fixed_dictionaries(dict.fromkeys(FIGURES, ODD))
EVALUATION = st.fixed_dictionaries(
    {
        "accuracy": st.floats(0, 1),
        "accuracy_high": st.floats(0, 1),
        "reward_margin": st.floats(-1e6, 1e6),
        "loss": st.none() | st.floats(-1e6, 1e6),
    }
)


@settings(deadline=None, max_examples=40)
@given(
    method=st.sampled_from(["DPO", "KTO", "ORPO"]),
    steps=st.lists(RECORD, min_size=1, max_size=60),
    evaluations=st.lists(EVALUATION, max_size=6),
)
def test_no_figures_whatever_make_a_guard_fail(
    method: MethodType, steps: list[dict[str, Any]], evaluations: list[dict[str, Any]]
) -> None:
    """Missing, infinite and no numbers at all; and each guard speaks at most twice."""
    book = GuardBook(None, FACTS_OF[method])
    for number, figures in enumerate(steps, 1):
        book.record(StepRecord(step=number, **figures))
    for number, figures in enumerate(evaluations, len(steps)):
        book.evaluated(number, evaluation(**figures))
    names = [finding.name for finding in book.findings]
    assert all(names.count(name) <= 2 for name in names)
    json.dumps(book.state(), allow_nan=False)


@settings(deadline=None, max_examples=40)
@given(
    method=st.sampled_from(["DPO", "KTO", "ORPO"]),
    seed=st.integers(0, 5),
    cut=st.integers(0, 119),
    spoil=st.sampled_from(
        ["token_accuracy", "entropy", "grad_norm", "negative_log_likelihood", "kl"]
    ),
)
def test_a_resume_changes_nothing_that_is_said(
    method: MethodType, seed: int, cut: int, spoil: str
) -> None:
    """The state goes through JSON after any step, and the run says what it would have said."""
    records = spoilt(healthy(method, seed=seed), 40, **{spoil: always(50.0)})
    book = GuardBook(None, FACTS_OF[method])
    for record in records[:cut]:
        book.record(record)
    again = GuardBook(None, FACTS_OF[method])
    again.restore(json.loads(json.dumps(book.state())))
    for record in records[cut:]:
        again.record(record)
    assert [(f.step, f.name, f.severity) for f in again.findings] == said(records, FACTS_OF[method])


def swings() -> Iterator[StepRecord]:
    """Entropy that goes up and down over its threshold for ever."""
    for turn, record in enumerate(healthy()):
        yield replace(record, entropy=9.0) if turn // 15 % 2 else record


def test_a_figure_that_goes_to_and_fro_is_told_once_in_each_degree() -> None:
    """Sixteen findings are all that a status has room for."""
    assert [name for _, name, _ in said(list(swings()))].count("Entropy") <= 2


def test_what_the_spec_brought_up_comes_first() -> None:
    """A manifest lists it with the rest."""
    remark = Finding(name="Hyperparameters", severity="Warning", message="too fast")
    book = GuardBook(None, FACTS, [remark])
    book.record(replace(healthy()[0], loss=nan))
    assert [finding.name for finding in book.findings] == ["Hyperparameters", "NonFinite"]


def test_a_guard_that_is_new_begins_anew_on_a_resume() -> None:
    """A newer release may go on with an older checkpoint."""
    book = GuardBook(None, FACTS)
    for record in islice(healthy(), 30):
        book.record(record)
    saved = book.state()
    del saved["states"]["Entropy"]
    saved["states"]["Unknown"] = {"x": 1}
    later = GuardBook(None, FACTS)
    later.restore(saved)
    kept = later.state()["states"]
    assert kept["TokenAccuracy"] == saved["states"]["TokenAccuracy"]
    assert kept["Entropy"] == GuardBook(None, FACTS).state()["states"]["Entropy"]
    assert "Unknown" not in kept


@pytest.mark.parametrize("damage", [{"states": {}}, {"states": {"Entropy": {"trend": 7}}}])
def test_a_state_that_is_none_is_refused(damage: dict[str, Any]) -> None:
    """A resume that forgets what was seen is no exact resume."""
    saved = {"told": {}} | damage
    with pytest.raises(InternalError, match="guard state is not of this release"):
        GuardBook(None, FACTS).restore(saved)


def test_limits_are_the_documented_ones_or_the_users() -> None:
    """A threshold alone keeps the action, and the other way round."""
    spec = resolved_spec(
        guards=[{"name": "Entropy", "threshold": 3}, {"name": "Saturation", "action": "Stop"}]
    )
    assert limits_of("Entropy", spec.guards) == Limits(3, 6, "Warn")
    assert limits_of("Saturation", spec.guards) == Limits(5, 30, "Stop")
    assert limits_of("NonFinite", None) == Limits(3, 3, "Stop")


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"training": {"learningRate": 5e-5}}, "training.learningRate 5e-05 is above 2e-05"),
        ({"training": {"learningRate": 5e-7}}, "training.learningRate 5e-07 is a rate for full"),
        ({"training": {"epochs": 4}}, "training.epochs 4 learns the pairs by heart"),
        ({"method": {"type": "DPO", "dpo": {"beta": 2}}}, "method.dpo.beta 2 is unusual for"),
        (
            {"method": {"type": "DPO", "dpo": {"beta": 0.8, "losses": [{"type": "IPO"}]}}},
            "method.dpo.beta 0.8 is unusual as IPO's tau; recipes use 0.01 to 0.5",
        ),
    ],
)
def test_unusual_settings_are_told_and_trained(members: dict[str, Any], says: str) -> None:
    """Advice that names the field; the run goes on as it was asked for."""
    spec = resolved_spec(**members)
    (finding,) = admission(spec)
    assert finding.severity == "Warning"
    assert finding.message.startswith(says)
    assert refuse_inadmissible(spec) == (finding,)


def test_defaults_are_beyond_reproach() -> None:
    """What the resolved spec fills in is what the ranges recommend."""
    assert admission(resolved_spec()) == ()


def test_a_rate_that_destroys_models_is_refused_where_it_is_asked_for() -> None:
    """Before anything is read; a rate that is only unusual is still told."""
    stop = [{"name": "Hyperparameters", "action": "Stop"}]
    with pytest.raises(BadSpec, match=r"^spec\.training\.learningRate 0\.001 is above"):
        refuse_inadmissible(resolved_spec(training={"learningRate": 1e-3}, guards=stop))
    told = refuse_inadmissible(resolved_spec(training={"learningRate": 5e-5}, guards=stop))
    assert [finding.severity for finding in told] == ["Warning"]


@pytest.mark.parametrize(
    ("minutes", "median_seconds", "found"),
    [(14, 1.0, False), (16, 1.0, True), (16, 120.0, False), (21, 120.0, True)],
)
def test_a_run_without_steps_is_stalled(minutes: int, median_seconds: float, found: bool) -> None:
    """Ten times the median step, and a quarter of an hour at least."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    finding = stalled(
        now, now - timedelta(minutes=minutes), median_seconds, limits_of("Stall", None)
    )
    assert (finding is not None) is found
    if finding is not None:
        assert finding.message.startswith(f"no step for {minutes} minutes")


def test_facts_come_from_the_spec_and_the_lengths_of_the_answers() -> None:
    """Where the first loss has no closed form, it is known only once it was measured."""
    from preftrain_trainer.fit.device import Device
    from preftrain_trainer.fit.layout import fit

    spec = resolved_spec(training={"maxSteps": 40})
    layout = fit(spec, 4, Device("CPU", "test", bf16=False))
    facts = facts_of(spec, layout, examples=4, chosen_tokens=[10, 20, 30, 40], expected=None)
    assert (facts.chosen_tokens, facts.steps_per_epoch, facts.total_steps) == (25.0, 0.5, 40)
    assert facts.losses == {"Sigmoid"}
    assert facts.start_loss == pytest.approx(0.6931, abs=1e-4)
    losses = [{"type": "Sigmoid"}, {"type": "SFT"}, {"type": "IPO", "weight": 0}]
    mixed = resolved_spec(method={"type": "DPO", "dpo": {"losses": losses}})
    facts = facts_of(mixed, layout, examples=0, chosen_tokens=[], expected=None)
    assert (facts.start_loss, facts.chosen_tokens) == (None, 0.0)
    assert facts.losses == {"Sigmoid", "SFT"}


def test_an_evaluation_is_judged_by_those_who_wait_for_one() -> None:
    """And by nobody else."""
    book = GuardBook(None, FACTS)
    assert book.evaluated(100, evaluation(0.7)) == ()
