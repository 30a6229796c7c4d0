"""Every evaluation of a run with its step, in `report/evaluations.jsonl`."""

import json
from pathlib import Path
from typing import Final

from preftrain_api.report import Evaluation

EVALUATIONS: Final = "evaluations.jsonl"


def note_evaluation(path: Path, step: int, evaluation: Evaluation | None) -> Evaluation | None:
    """Append one evaluation, made after `step` optimizer steps, and hand it on."""
    if evaluation is None:
        return None
    line = json.dumps({"step": step, **evaluation.plain()})
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    return evaluation
