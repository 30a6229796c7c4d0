"""Judges finished runs again and counts: false alarms, collapses caught, and when. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from statistics import median
from typing import Final

from bench.trainer.guard_calibration.outcome import Outcome
from bench.trainer.guard_calibration.plan import Group
from preftrain_api.guards import GUARD_DEFAULTS, GUARD_NAMES
from preftrain_api.spec import GuardRule
from preftrain_api.spec.quality import GuardName
from preftrain_trainer.guards.book import GuardBook
from preftrain_trainer.guards.table import GUARDS, guards_of
from preftrain_trainer.progress.records import StepRecord

COLLAPSE: Final[tuple[GuardName, ...]] = ("TokenAccuracy", "Entropy", "Displacement")
GROUPS: Final[tuple[Group, ...]] = ("Calibration", "Report", "SecondData")
FACTORS: Final = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Thresholds that are tried on the calibration runs, as multiples of the documented ones."""
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Heard:
    """At which step a guard spoke in one run; None where it did not."""

    warned: int | None = None
    past_saving: int | None = None


def replay(outcome: Outcome, thresholds: Mapping[GuardName, float]) -> dict[GuardName, Heard]:
    """What the guards say about the records of a run, with other thresholds where given.

    Every guard gets the action Stop here, so that an Error marks where it would end the run;
    the judging itself goes on to the end.
    """
    rules = [GuardRule(name=name, threshold=thresholds.get(name), action="Stop") for name in GUARDS]
    book = GuardBook(rules, outcome.facts)
    heard: dict[GuardName, Heard] = dict.fromkeys(GUARDS, Heard())
    for line in outcome.records:
        for finding in book.record(StepRecord.of_plain(line)):
            name = next(name for name in GUARD_NAMES if name == finding.name)
            before = heard[name]
            grave = finding.step if finding.severity == "Error" else before.past_saving
            first = finding.step if before.warned is None else before.warned
            heard[name] = Heard(first, grave)
    return heard


def upper_bound(hits: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """One-sided upper bound of a share after Clopper and Pearson, Biometrika 26 (1934).

    The largest share at which so few hits still have a probability of 1 - confidence. Exact,
    never too small; with no hit in n trials about 3 / n.
    """
    if hits >= trials:
        return 1.0
    low, high = hits / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        tail = sum(
            comb(trials, k) * middle**k * (1 - middle) ** (trials - k) for k in range(hits + 1)
        )
        low, high = (middle, high) if tail > 1 - confidence else (low, middle)
    return high


@dataclass(frozen=True, slots=True)
class Count:
    """How often guards spoke in runs of one kind."""

    runs: int
    steps: tuple[int, ...]
    """Steps at which they did, a number a run."""

    def share(self) -> str:
        """As `3 of 40`."""
        return f"{len(self.steps)} of {self.runs}"

    def bound(self) -> str:
        """Upper bound of the share."""
        return f"{upper_bound(len(self.steps), self.runs):.1%}" if self.runs else ""

    def when(self) -> str:
        """Median and range of the steps."""
        if not self.steps:
            return ""
        return f"{median(self.steps):.0f} ({min(self.steps)} to {max(self.steps)})"


def count(
    runs: Iterable[dict[GuardName, Heard]],
    names: Sequence[GuardName],
    step_of: Callable[[Heard], int | None],
) -> Count:
    """In how many runs one of `names` spoke, and when the first of them did."""
    steps: list[int] = []
    total = 0
    for heard in runs:
        total += 1
        spoken = [step for name in names if (step := step_of(heard[name])) is not None]
        if spoken:
            steps.append(min(spoken))
    return Count(total, tuple(steps))


def report(outcomes: Sequence[Outcome], thresholds: Mapping[GuardName, float]) -> str:
    """The tables, as Markdown."""
    heard = [(outcome, replay(outcome, thresholds)) for outcome in outcomes]
    judged = {
        name
        for outcome in outcomes
        for name, guard in guards_of(outcome.facts).items()
        if guard.on_evaluation is None
    }
    parts = [_runs_table(outcomes), _header("group", "guard")]
    for group in GROUPS:
        of_group = [(outcome, said) for outcome, said in heard if outcome.run.group == group]
        rows: list[tuple[str, Sequence[GuardName]]] = [
            ("any of the three collapse guards", COLLAPSE),
            *((name, (name,)) for name in GUARDS if name in judged),
        ]
        parts += [_row((group, label), of_group, names) for label, names in rows]
    parts.append(f"\nThresholds on the calibration runs:\n\n{_header('guard', 'threshold')}")
    calibration = [outcome for outcome in outcomes if outcome.run.group == "Calibration"]
    for name in COLLAPSE:
        for factor in FACTORS:
            threshold = GUARD_DEFAULTS[name].threshold * factor
            tried = [(run, replay(run, {**thresholds, name: threshold})) for run in calibration]
            parts.append(_row((name, f"{threshold:g}"), tried, (name,)))
    return "\n".join(parts)


def _header(*labels: str) -> str:
    columns = (
        *labels,
        "false alarms",
        "95 % bound",
        "collapses seen",
        "at step",
        "healthy called past saving",
        "95 % bound",
        "collapses called past saving",
        "at step",
    )
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"


def _row(
    labels: Sequence[str],
    runs: Sequence[tuple[Outcome, dict[GuardName, Heard]]],
    names: Sequence[GuardName],
) -> str:
    cells = list(labels)
    for step_of in (_warned, _past_saving):
        healthy = count((said for run, said in runs if run.verdict == "Healthy"), names, step_of)
        collapsed = count(
            (said for run, said in runs if run.verdict == "Collapsed"), names, step_of
        )
        cells += [healthy.share(), healthy.bound(), collapsed.share(), collapsed.when()]
    return f"| {' | '.join(cells)} |"


def _warned(heard: Heard) -> int | None:
    return heard.warned


def _past_saving(heard: Heard) -> int | None:
    return heard.past_saving


def _runs_table(outcomes: Sequence[Outcome]) -> str:
    lines = [
        f"{len(outcomes)} runs. Bounds are one-sided, after Clopper and Pearson.\n",
        "| data | learning rate | runs | healthy | unclear | collapsed | held-out accuracy |",
        "|---|---|---|---|---|---|---|",
    ]
    keys = sorted({(outcome.run.data, outcome.run.learning_rate) for outcome in outcomes})
    for data, rate in keys:
        runs = [run for run in outcomes if (run.run.data, run.run.learning_rate) == (data, rate)]
        verdicts = [run.verdict for run in runs]
        known = [run.reward_accuracy for run in runs if run.reward_accuracy is not None]
        accuracy = f"{median(known):.2f}" if known else ""
        counts = (verdicts.count(kind) for kind in ("Healthy", "Unclear", "Collapsed"))
        lines.append(
            f"| {data} | {rate:g} | {len(runs)} | {' | '.join(map(str, counts))} | {accuracy} |"
        )
    return "\n".join([*lines, ""])
