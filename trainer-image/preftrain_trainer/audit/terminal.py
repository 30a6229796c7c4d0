"""The data report as a table for a terminal, at most 100 columns wide."""

import textwrap
from collections.abc import Iterator
from typing import Final

from preftrain_api.report import AuditReport, Lengths
from preftrain_trainer.visible import visible

_WIDTH: Final = 100
_MARKS: Final = {"Error": "ERROR", "Warning": "WARN", "Info": "note"}


def render(report: AuditReport) -> str:
    """The report as text."""
    return visible("\n".join(_lines(report))) + "\n"


def _lines(report: AuditReport) -> Iterator[str]:
    dropped = ", ".join(f"{name} {count}" for name, count in report.dropped.items())
    yield f"read as {report.shape}"
    yield (
        f"{report.rows} rows: {report.train_rows} trained on, "
        f"{report.eval_rows} held out, {report.dropped_rows} left out"
        + (f" ({dropped})" if dropped else "")
    )
    if report.lengths:
        yield ""
        yield from _length_lines(report.lengths)
    yield ""
    for check in report.checks:
        if check.outcome in _MARKS:
            yield from _wrapped(f"{_MARKS[check.outcome]:<6}{check.name:<26}", check.sentence())
    passed = [check.name for check in report.checks if check.outcome == "Passed"]
    yield from _wrapped(f"{'ok':<6}", f"{len(passed)} checks: {', '.join(passed)}")
    reasons: dict[str, list[str]] = {}
    for check in report.checks:
        if check.outcome == "NotChecked":
            reasons.setdefault(check.message, []).append(check.name)
    for reason, names in reasons.items():
        yield from _wrapped(f"{'-':<6}", f"not checked, because {reason}: {', '.join(names)}")


def _length_lines(lengths: tuple[Lengths, ...]) -> Iterator[str]:
    yield f"{'':<24}{'median':>8}{'mean':>9}{'95 %':>8}{'99 %':>8}{'longest':>9}"
    for row in lengths:
        yield (
            f"{row.part.lower():<10}{row.unit.lower():<14}{row.p50:>8}{row.mean:>9.0f}"
            f"{row.p95:>8}{row.p99:>8}{row.longest:>9}"
        )


def _wrapped(head: str, text: str) -> list[str]:
    indent = " " * len(head)
    return textwrap.wrap(
        text, _WIDTH, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False
    )
