"""What a run left behind, as a line of JSON that needs no GPU to be judged again."""

import fcntl
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from bench.trainer.guard_calibration.health import Health, Verdict, verdict_of
from bench.trainer.guard_calibration.plan import PlannedRun
from preftrain_trainer.guards.rules import RunFacts


@dataclass(frozen=True, slots=True)
class Outcome:
    """One finished run."""

    run: PlannedRun
    facts: RunFacts
    records: tuple[dict[str, Any], ...]
    """Lines of its metrics.jsonl."""
    health: Health | None
    """None where the weights were lost, so that nothing could be measured."""
    reward_accuracy: float | None
    """Held-out, for people to see how little it tells."""
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """By the criteria of `health`."""
        return "Collapsed" if self.health is None else verdict_of(self.health)


_OUTCOME = TypeAdapter(Outcome)


def append(path: Path, outcome: Outcome) -> None:
    """Add a line, while other processes do the same."""
    line = json.dumps(_OUTCOME.dump_python(outcome, mode="json")) + "\n"
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(line)


def read(paths: Iterable[Path]) -> Iterator[Outcome]:
    """All outcomes of some files; a line that a cut-off left unfinished is passed over."""
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                yield _OUTCOME.validate_json(line)
