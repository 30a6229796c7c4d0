"""Judges data before they are trained on: what was left out, and whether that is too much.

Pure: a tally goes in, a report or a refusal comes out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from preftrain_api.report import DataReport, Finding
from preftrain_api.spec.audit import AuditSpec, AuditThresholds
from preftrain_trainer.data.pairs import LoadedData
from preftrain_trainer.data.tally import MALFORMED_SHARE, Count, Tally
from preftrain_trainer.errors import DataRefused

IDENTICAL_SHARE: Final = 0.02
"""Default: such pairs carry no preference; more of them point at a faulty export."""
FEW_PAIRS: Final = 100
"""Fewer training pairs teach little, and fewer held-out pairs judge nothing."""


class RefusedData(DataRefused):
    """Data that were read and judged; carries the report as evidence."""

    def __init__(self, message: str, report: DataReport) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True, slots=True)
class _Check:
    name: str
    count: Count
    limit: float
    says: str


def audit(loaded: LoadedData, spec: AuditSpec | None) -> DataReport:
    """The report on loaded data that may be trained on.

    Raises:
        RefusedData: no example is left, or a threshold is exceeded and the policy is Enforce.
    """
    report = report_of(loaded.tally, len(loaded.train), len(loaded.held_out))
    judge(report, loaded.tally, spec)
    return report


def report_of(tally: Tally, train_rows: int, eval_rows: int) -> DataReport:
    """The report, with a finding for everything that was left out or is scarce."""
    return DataReport(
        rows=tally.rows,
        train_rows=train_rows,
        eval_rows=eval_rows,
        dropped_rows=tally.dropped_rows,
        findings=tuple(_findings(tally, train_rows, eval_rows)),
    )


def judge(report: DataReport, tally: Tally, audit: AuditSpec | None) -> None:
    """Let usable data pass.

    Raises:
        RefusedData: no pair is left, or a threshold is exceeded and the policy is Enforce.
    """
    for check in _checks(tally, audit):
        share = check.count.rows / max(tally.rows, 1)
        enforced = audit is None or audit.policy == "Enforce"
        if share > check.limit and (enforced or not report.train_rows):
            raise RefusedData(
                f"{check.count.rows} of {tally.rows} rows ({share:.1%}) {check.says}, more than "
                f"dataset.audit.thresholds.{check.name} allows ({check.limit:g}), for example "
                f"{'; '.join(check.count.examples)}; correct the data or raise the threshold",
                report,
            )
    if not report.train_rows:
        raise RefusedData("no usable pair is left to train on; see the data report", report)


def _checks(tally: Tally, audit: AuditSpec | None) -> Iterator[_Check]:
    thresholds = (audit.thresholds if audit else None) or AuditThresholds()
    malformed, identical = thresholds.malformed, thresholds.identical_pairs
    yield _Check(
        "malformed",
        tally.dropped["malformed"],
        MALFORMED_SHARE if malformed is None else malformed,
        "are no usable pairs",
    )
    yield _Check(
        "identicalPairs",
        tally.dropped["identicalPairs"],
        IDENTICAL_SHARE if identical is None else identical,
        "have one answer as both chosen and rejected",
    )


def _findings(tally: Tally, train_rows: int, eval_rows: int) -> Iterator[Finding]:
    for check in _checks(tally, None):
        if check.count.rows:
            yield Finding(
                name=check.name,
                severity="Warning",
                message=f"{check.count.rows} of {tally.rows} rows {check.says} and were left "
                f"out, for example {'; '.join(check.count.examples)}",
                count=check.count.rows,
            )
    if train_rows < FEW_PAIRS:
        yield Finding(
            name="fewPairs",
            severity="Warning",
            message=f"{train_rows} pairs are few to learn from; use {FEW_PAIRS} or more",
            count=train_rows,
        )
    if eval_rows < FEW_PAIRS:
        yield Finding(
            name="fewHeldOut",
            severity="Info",
            message=f"{eval_rows} held-out pairs are too few to judge the adapter; the default "
            f"gate needs {FEW_PAIRS}: raise dataset.evalFraction or set dataset.evalSplit",
            count=eval_rows,
        )
