"""How calibration decides what a run was worth, and how it counts."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from bench.trainer.guard_calibration.health import Answers, Health, answers_of, verdict_of
from bench.trainer.guard_calibration.outcome import Outcome, append, read
from bench.trainer.guard_calibration.plan import RATES, VARIANTS, PlannedRun, planned
from bench.trainer.guard_calibration.table import Heard, replay, report, upper_bound
from support.guard_series import FACTS, always, healthy, spoilt

GOOD = Health(
    nats_lost=0.3,
    answers=Answers(distinct_2=0.6, tokens=30.0),
    base_answers=Answers(distinct_2=0.6, tokens=40.0),
    chosen_tokens=50.0,
)
RUN = PlannedRun(0, "First", 0, 5e-6, 0.1, ("Sigmoid",))


def outcome(run: PlannedRun, health: Health | None, *, collapsing: bool) -> Outcome:
    records = healthy()
    if collapsing:
        records = spoilt(records, 30, token_accuracy=always(0.1))
    plain = tuple(record.plain() for record in records)
    return Outcome(run, FACTS, plain, health, 0.9, 40.0)


def test_a_run_is_healthy_collapsed_or_neither() -> None:
    """One bad sign is a collapse; health needs all three good."""
    assert verdict_of(GOOD) == "Healthy"
    assert verdict_of(replace(GOOD, nats_lost=1.5)) == "Unclear"
    assert verdict_of(replace(GOOD, nats_lost=2.5)) == "Collapsed"
    assert verdict_of(replace(GOOD, nats_lost=float("nan"))) == "Collapsed"
    assert verdict_of(replace(GOOD, answers=Answers(0.25, 30.0))) == "Collapsed"
    assert verdict_of(replace(GOOD, answers=Answers(0.4, 30.0))) == "Unclear"
    assert verdict_of(replace(GOOD, answers=Answers(0.0, 0.0))) == "Collapsed"


def test_short_answers_are_healthy_where_short_ones_are_preferred() -> None:
    """Against the chosen answers, not only against a base model that rambles."""
    short = replace(GOOD, answers=Answers(0.8, 8.0), base_answers=Answers(0.5, 60.0))
    assert verdict_of(short) == "Unclear"
    assert verdict_of(replace(short, chosen_tokens=10.0)) == "Healthy"


def test_variety_counts_different_neighbours() -> None:
    """Of all answers together; one token alone has no neighbour."""
    assert answers_of([[1, 2, 1, 2], [1, 2], [7]]) == Answers(distinct_2=2 / 4, tokens=7 / 3)
    assert answers_of([[], []]) == Answers(0.0, 0.0)


@pytest.mark.parametrize(
    ("hits", "trials", "bound"),
    [(0, 30, 0.0950), (0, 10, 0.2589), (1, 30, 0.1486), (3, 40, 0.1830), (5, 5, 1.0)],
)
def test_the_bound_is_clopper_and_pearsons(hits: int, trials: int, bound: float) -> None:
    """Without a hit it is 1 - 0.05^(1/n); the others are quantiles of the beta distribution."""
    assert upper_bound(hits, trials) == pytest.approx(bound, abs=6e-4)


def test_every_rate_meets_every_loss() -> None:
    """Within six seeds, on the first data set; and no two runs are the same."""
    runs = list(islice(planned(with_second=True), 18 * 6))
    first = {(run.learning_rate, run.beta, run.losses) for run in runs if run.data == "First"}
    assert len(first) == len(RATES) * len(VARIANTS)
    assert len({replace(run, number=0) for run in runs}) == len(runs)
    assert {run.group for run in runs} == {"Calibration", "Report", "SecondData"}
    assert all(run.data == "First" for run in islice(planned(with_second=False), 50))


def test_recorded_runs_are_judged_again_without_a_gpu(tmp_path: Path) -> None:
    """Also with another threshold; a line that was cut off is left out."""
    path = tmp_path / "runs.jsonl"
    bad = replace(GOOD, nats_lost=3.0)
    runs = [
        outcome(RUN, GOOD, collapsing=False),
        outcome(replace(RUN, number=1), bad, collapsing=True),
        outcome(replace(RUN, number=2, seed=1), GOOD, collapsing=True),
    ]
    for run in runs:
        append(path, run)
    with path.open("a") as file:
        file.write('{"run": {"num')
    again = list(read([path]))
    assert again == runs
    assert replay(again[1], {})["TokenAccuracy"] == Heard(31, 43)
    assert replay(again[1], {"TokenAccuracy": 0.9})["TokenAccuracy"] == Heard()
    text = report(again, {})
    assert "| Calibration | TokenAccuracy | 0 of 1 | 95.0% | 1 of 1 | 31 (31 to 31) |" in text
    assert "| Report | TokenAccuracy | 1 of 1 | 100.0% | 0 of 0 |  |" in text
    assert "| First | 5e-06 | 3 | 2 | 0 | 1 | 0.90 |" in text
