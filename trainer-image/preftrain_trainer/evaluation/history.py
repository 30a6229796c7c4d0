"""Every evaluation of a run with its step, in `report/evaluations.jsonl`."""

import json
from pathlib import Path

from preftrain_api.report import Evaluation


def note_evaluation(path: Path, step: int, evaluation: Evaluation | None) -> Evaluation | None:
    """Add one evaluation, made after `step` optimizer steps, and hand it on.

    An adapter that is judged again, as the best one is at the end, keeps one line: the newest.
    """
    if evaluation is None:
        return None
    before = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    kept = [line for line in before if json.loads(line)["step"] != step]
    lines = [*kept, json.dumps({"step": step, **evaluation.plain()})]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return evaluation
