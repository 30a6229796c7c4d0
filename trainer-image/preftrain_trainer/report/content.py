"""What a report is made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from preftrain_trainer.evaluation.margins import PairMargin
from preftrain_trainer.evaluation.samples import Sample
from preftrain_trainer.publishing.evidence import Evidence

Outcome = Literal["Published", "Withheld", "Stopped", "Failed"]
"""Stopped by a guard, or failed otherwise. A page is written before it is published, so
Published means that nothing stands against it."""

Line = Mapping[str, Any]
"""One line of `metrics.jsonl` or `evaluations.jsonl`."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run as its page tells it, whole or ended early."""

    evidence: Evidence
    outcome: Outcome
    message: str
    """Why it was withheld, stopped or failed; empty when all is well."""
    total_steps: int
    steps_log: tuple[Line, ...]
    evaluations: tuple[Line, ...]
    margins: tuple[PairMargin, ...] = ()
    samples: tuple[Sample, ...] = ()
