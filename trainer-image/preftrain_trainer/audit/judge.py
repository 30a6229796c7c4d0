"""Judges what was measured: which check is beyond its threshold, and what follows.

Pure: an examination goes in, a report or a refusal comes out.
"""

from typing import Final, Literal

from pydantic.alias_generators import to_camel

from preftrain_api.report import AuditReport, CheckResult, Finding
from preftrain_api.spec.audit import AuditSpec, AuditThresholds
from preftrain_trainer.audit.check import Check, Measure
from preftrain_trainer.audit.checks import CHECKS
from preftrain_trainer.audit.examine import Examination
from preftrain_trainer.data.pairs import LoadedData
from preftrain_trainer.errors import DataRefused, ModelUnavailable

Outcome = Literal["Passed", "Info", "Warning", "Error", "NotChecked"]

_RANK: Final[dict[Outcome, int]] = {
    "Error": 0,
    "Warning": 1,
    "Info": 2,
    "NotChecked": 3,
    "Passed": 4,
}
_SEVERITY: Final[dict[Outcome, Literal["Info", "Warning", "Error"]]] = {
    "Info": "Info",
    "Warning": "Warning",
    "Error": "Error",
}
_TINY: Final = 1e-3
"""Keeps thresholds of 0 comparable with others."""
_NAMED: Final = 3
"""Findings that a refusal names."""
_FINDINGS: Final = 16
_CHARACTERS: Final = 1024


class RefusedData(DataRefused):
    """Data that were read and judged; carries the report as evidence."""

    def __init__(self, message: str, report: AuditReport) -> None:
        super().__init__(message)
        self.report = report


class RefusedTemplate(ModelUnavailable):
    """A model whose chat template cannot be trained with; carries the report as evidence."""

    def __init__(self, message: str, report: AuditReport) -> None:
        super().__init__(message)
        self.report = report


def report_of(loaded: LoadedData, examination: Examination, audit: AuditSpec | None) -> AuditReport:
    """The report on `loaded`, with every check, the worst first."""
    audit = audit or AuditSpec()
    limits = audit.in_force()
    results = (_result(measure, limits, audit.policy) for measure in examination.measures)
    checks = tuple(sorted(results, key=_badness))
    findings = [_finding(check) for check in checks if check.outcome in _SEVERITY]
    form = "conversations" if loaded.conversational else "plain text"
    tally = loaded.tally
    return AuditReport(
        rows=tally.rows,
        train_rows=len(loaded.train),
        eval_rows=len(loaded.held_out),
        dropped_rows=tally.dropped_rows,
        findings=tuple(findings[:_FINDINGS]),
        kind=loaded.kind,
        shape=f"{loaded.shape}; {form}"[-_CHARACTERS:],
        digest=loaded.digest,
        policy=audit.policy,
        thresholds=limits,
        dropped={reason: count.rows for reason, count in tally.dropped.items() if count.rows},
        filtered={count.rule: count.rows for count in tally.filtered},
        checks=checks,
        lengths=examination.lengths,
        token_sample=examination.token_sample,
    )


def require_usable(report: AuditReport) -> None:
    """Let data pass that may be trained on.

    Raises:
        RefusedTemplate: the model's template would teach something else.
        RefusedData: nothing is left, or a check has found an error.
    """
    errors = [check for check in report.checks if check.outcome == "Error"]
    if errors:
        message = "; ".join(check.sentence() for check in errors[:_NAMED])
        if any(CHECKS[check.name].consequence == "RefuseModel" for check in errors):
            raise RefusedTemplate(message, report)
        raise RefusedData(message, report)
    if not report.train_rows:
        worst = "; ".join(finding.message for finding in report.findings[:_NAMED])
        raise RefusedData(f"no usable example is left to train on: {worst}", report)


def _result(measure: Measure, limits: AuditThresholds, policy: str) -> CheckResult:
    check = measure.check
    if measure.not_checked is not None:
        return CheckResult(name=check.name, outcome="NotChecked", message=measure.not_checked)
    limit = _limit(check, limits)
    beyond = measure.compared < limit if check.compares == "Below" else measure.compared > limit
    return CheckResult(
        name=check.name,
        outcome=_outcome(measure, beyond, policy),
        message=_message(measure, limit, beyond)[:_CHARACTERS],
        way_out=check.way_out if beyond else "",
        count=measure.count,
        of=measure.of,
        value=round(measure.compared, 6),
        threshold=limit,
        examples=measure.examples,
    )


def _limit(check: Check, limits: AuditThresholds) -> float:
    if check.threshold is None:
        return check.fixed
    limit: float = limits.model_dump()[check.threshold]
    return limit


def _outcome(measure: Measure, beyond: bool, policy: str) -> Outcome:
    check = measure.check
    if not beyond:
        return "Info" if check.compares == "Above" and measure.examples else "Passed"
    match check.consequence:
        case "Report":
            return "Info"
        case "RefuseModel":
            return "Error"
        case "Refuse" if policy == "Enforce":
            return "Error"
    return "Warning"


def _message(measure: Measure, limit: float, beyond: bool) -> str:
    check = measure.check
    text = measure.statement or (
        f"{measure.count} of {measure.of} {check.unit} ({measure.compared:.1%}) {check.says}"
    )
    if beyond and check.threshold is not None:
        verb = "fewer than" if check.compares == "Below" else "more than"
        text += f", {verb} dataset.audit.thresholds.{to_camel(check.threshold)} allows ({limit:g})"
    return text


def _badness(result: CheckResult) -> tuple[int, bool, float]:
    """Sorts the worst first."""
    refuses = CHECKS[result.name].consequence in ("Refuse", "RefuseModel")
    return _RANK[result.outcome], not refuses, -_excess(result)


def _excess(result: CheckResult) -> float:
    """How far on the wrong side of its threshold a check is, as a factor."""
    if result.value is None or result.threshold is None:
        return 0.0
    factor = (result.value + _TINY) / (result.threshold + _TINY)
    return 1 / factor if CHECKS[result.name].compares == "Below" else factor


def _finding(result: CheckResult) -> Finding:
    return Finding(
        name=result.name,
        severity=_SEVERITY[result.outcome],
        message=result.sentence()[:_CHARACTERS],
        count=result.count,
    )
