"""Writes the report of a run beside the files that it tells of, and leaves it in the output
when the run ends early.
"""

import logging
from pathlib import Path
from typing import Final

from preftrain_trainer.checkpoint.state import EVALUATIONS
from preftrain_trainer.errors import TrainerError
from preftrain_trainer.evaluation.margins import MARGINS, PairMargin, write_margins
from preftrain_trainer.evaluation.samples import SAMPLES, Sample, write_samples
from preftrain_trainer.places.store import Fencing, ObjectStore
from preftrain_trainer.publishing.claim import Claim
from preftrain_trainer.publishing.evidence import Evidence
from preftrain_trainer.publishing.leaving import leave
from preftrain_trainer.report.content import Outcome, RunReport
from preftrain_trainer.report.page import render
from preftrain_trainer.report.pictures import write_pictures
from preftrain_trainer.report.series import read_lines

_log = logging.getLogger("preftrain")

PAGE: Final = "report.html"
CURVES: Final = "curves"
METRICS: Final = "metrics.jsonl"


def write_report(
    folder: Path,
    evidence: Evidence,
    outcome: Outcome,
    message: str,
    total_steps: int,
    margins: tuple[PairMargin, ...] = (),
    samples: tuple[Sample, ...] = (),
) -> None:
    """Write the page with the files that it refers to.

    Args:
        folder: holds `metrics.jsonl` and `evaluations.jsonl`, as far as the run came, and takes
            `report.html`, `margins.jsonl`, `samples.jsonl` and pictures in `curves/`.
        evidence: what the manifest will say.
        outcome: what has become of the run.
        message: why, when it was withheld, stopped or failed.
        total_steps: how many steps it was to have.
        margins: of the held-out pairs.
        samples: prompts with their answers.
    """
    if margins:
        write_margins(folder / MARGINS, margins)
    if samples:
        write_samples(folder / SAMPLES, samples)
    report = RunReport(
        evidence=evidence,
        outcome=outcome,
        message=message,
        total_steps=total_steps,
        steps_log=read_lines(folder / METRICS),
        evaluations=read_lines(folder / EVALUATIONS),
        margins=margins,
        samples=samples,
    )
    (folder / PAGE).write_text(render(report), encoding="utf-8", errors="backslashreplace")
    # It tells which fonts it looks for.
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    write_pictures(folder / CURVES, report.steps_log, report.evaluations)


def leave_report(folder: Path, store: ObjectStore, claim: Claim, fencing: Fencing) -> None:
    """Put the files of `folder` under `report/`, without a manifest: nothing is published.

    A run that ends for a reason must end for that reason, so a store that fails now is only
    said.
    """
    try:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            key = f"report/{path.relative_to(folder).as_posix()}"
            leave(store, fencing, key, path.read_bytes(), claim.check)
    except TrainerError as error:
        _log.warning("the report could not be left in the output: %s", error)
    else:
        _log.info("the report is in %s", store.url("report"))
