"""The moments at which a run is killed and resumed, and the table of what became of it.

Run as `python -m support.kill_matrix [METHOD ...]` it goes through all moments of these methods,
all of them by default, and puts what it saw into docs/explanation/resume.md. The tests take a few
of the moments.
"""

import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from support.moments import Moment
from support.struck_runs import METHODS, STEPS, Outcome, Pod, make_inputs, play
from support.trainer_zygote import TrainerZygote

CHOSEN: Final = (
    Moment("TERM", "accumulating", 11),
    Moment("KILL", "before the pointer", 2),
    Moment("TERM", "evaluating", 2),
)
"""Those that every test run goes through. The first is inside a step whose predecessor is not
saved yet, so the state that is saved is put together there."""

OTHERS: Final = (
    Moment("TERM", "preparing"),
    Moment("TERM", "loading"),
    Moment("KILL", "loading"),
    Moment("KILL", "accumulating", 8),
    Moment("TERM", "accumulating", 8),
    Moment("TERM", "accumulating", 2),
    Moment("TERM", "stepped", 3),
    Moment("KILL", "stepped", 7),
    Moment("TERM", "logged", 5),
    Moment("KILL", "writing", 2),
    Moment("TERM", "writing", 2),
    Moment("KILL", "uploading", 9),
    Moment("TERM", "uploading", 9),
    Moment("TERM", "before the pointer", 2),
    Moment("KILL", "after the pointer", 2),
    Moment("TERM", "after the pointer", 2),
    Moment("KILL", "removing", 2),
    Moment("TERM", "removing", 2),
    Moment("KILL", "evaluating", 2),
    Moment("TERM", "evaluating", 8),
    Moment("KILL", "exporting"),
    Moment("TERM", "exporting"),
    Moment("KILL", "publishing", 2),
    Moment("TERM", "publishing", 2),
)
_RANDOM: Final = 6
_SEED: Final = 7
_STRETCH_SECONDS: Final = 0.3
"""A step of the tiny model takes a tenth of a second and more, so this reaches into a save, an
evaluation or the steps that follow."""

PAGE: Final = Path(__file__).parents[2] / "docs/explanation/resume.md"
BEGIN: Final = "<!-- moments -->"
END: Final = "<!-- end of moments -->"
HEAD: Final = (
    "| method | struck | attempts ended with | went on after step | seconds | adapter |",
    "| --- | --- | --- | --- | --- | --- |",
)


def random_moments(seed: int) -> tuple[Moment, ...]:
    """Moments spread over a run by chance, with both signals in turn."""
    chance = random.Random(seed)  # noqa: S311  # repeatable, not secret
    return tuple(
        Moment(
            "KILL" if n % 2 else "TERM",
            "time",
            chance.randrange(STEPS),
            round(chance.uniform(0, _STRETCH_SECONDS), 2),
        )
        for n in range(_RANDOM)
    )


def problems(outcome: Outcome, whole: Outcome, moment: Moment) -> Iterator[str]:
    """What differs from an uninterrupted run, in words; nothing when all is well."""
    if outcome.adapter != whole.adapter:
        yield "another adapter"
    if outcome.steps != whole.steps:
        yield "another log of the steps"
    if outcome.evaluations != whole.evaluations:
        yield "other evaluations"
    expected = moment.exit_code
    if expected is not None and outcome.codes[0] != expected:
        yield f"ended with {outcome.codes[0]}, not {expected}"
    if len(outcome.codes) > 2:
        yield f"{len(outcome.codes)} attempts"


def _rows(
    method: str, root: Path, zygote: TrainerZygote, inputs: Path
) -> Iterator[tuple[str, bool]]:
    """Lines of the table, each with whether all is well."""
    whole = play(Pod(root / "whole", zygote, inputs), METHODS[method])
    yield f"| {method} | never | 0 | | {whole.seconds:.1f} | {whole.adapter[:12]} |", True
    for number, moment in enumerate((*CHOSEN, *OTHERS, *random_moments(_SEED))):
        pod = Pod(root / str(number), zygote, inputs)
        outcome = play(pod, METHODS[method], moment)
        found = list(problems(outcome, whole, moment))
        start = outcome.manifest["attempts"][-1]["startStep"]
        cells = (
            method,
            moment,
            ", ".join(map(str, outcome.codes)),
            start if len(outcome.codes) > 1 else "",
            f"{outcome.seconds:.1f}",
            "; ".join(found) or f"{outcome.adapter[:12]}, identical",
        )
        yield f"| {' | '.join(map(str, cells))} |", not found


def _write(rows: dict[str, list[str]]) -> None:
    """Put the rows in the place of those that earlier runs left of the same methods."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    table, _, after = rest.partition(END)
    known: dict[str, list[str]] = {method: [] for method in METHODS}
    for line in table.split("\n")[1 + len(HEAD) : -1]:
        known[line.strip("| ").split(" ")[0]].append(line)
    lines = [line for method in METHODS for line in rows.get(method, known[method])]
    PAGE.write_text("\n".join([before + BEGIN, *HEAD, *lines, END + after]))


def main(methods: list[str]) -> int:
    """All moments of `methods`, as a table in Markdown; returns 1 when something differs."""
    rows: dict[str, list[str]] = {}
    well = True
    with tempfile.TemporaryDirectory(prefix="kill-matrix-") as folder:
        root = Path(folder)
        inputs = make_inputs(root / "inputs")
        zygote = TrainerZygote(inputs / "cache", root / "zygote.log")
        print("\n".join(HEAD), flush=True)
        for method in methods or METHODS:
            rows[method] = []
            for line, good in _rows(method, root / method, zygote, inputs):
                print(line, flush=True)
                rows[method].append(line)
                well = well and good
            _write(rows)
        zygote.close()
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
