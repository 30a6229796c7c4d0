"""The data report as a page for people: one file, no scripts, nothing fetched.

Shows figures and row numbers, never the content of a row.
"""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from preftrain_api.report import AuditReport, CheckResult, Lengths
from preftrain_trainer.visible import visible

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATE: Final = "page.html.j2"
_ROOM: Final = 1.6
"""Room to the right of the threshold on a bar, as a factor of it."""


def render(report: AuditReport) -> str:
    """The page as HTML."""
    checks = report.checks
    return _template().render(
        report=report,
        errors=[check for check in checks if check.outcome == "Error"],
        warnings=[check for check in checks if check.outcome == "Warning"],
        notes=[check for check in checks if check.outcome == "Info"],
        others=[check for check in checks if check.outcome in ("Passed", "NotChecked")],
        parts=_parts(report),
        lengths=_by_unit(report.lengths),
    )


def title(name: str) -> str:
    """A check's name as words: `nearIdenticalPairs` becomes "Near identical pairs"."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    return f"{words[0].upper()}{words[1:]}"


def bar(check: CheckResult) -> tuple[float, float] | None:
    """How long a check's bar is and where its threshold stands, in percent of the room."""
    if check.value is None or not check.threshold:
        return None
    whole = max(check.value, check.threshold * _ROOM)
    return round(100 * check.value / whole, 2), round(100 * check.threshold / whole, 2)


def _parts(report: AuditReport) -> list[tuple[str, int, float]]:
    """What became of the rows: name, count, share in percent."""
    counts = {
        "trained on": report.train_rows,
        "held out": report.eval_rows,
        **{title(reason).lower(): count for reason, count in report.dropped.items()},
    }
    total = max(sum(counts.values()), 1)
    return [(name, count, 100 * count / total) for name, count in counts.items() if count]


def _by_unit(lengths: tuple[Lengths, ...]) -> dict[str, list[Lengths]]:
    units: dict[str, list[Lengths]] = {}
    for row in lengths:
        units.setdefault(row.unit, []).append(row)
    return units


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\u202f")


def _limit(value: float) -> str:
    return f"{value:g}"


def _shown(value: object) -> object:
    """Names of columns, files and models may hold what cannot be seen, like all text of others."""
    return visible(value) if type(value) is str else value


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters |= {"title_of": title, "bar": bar, "number": _number, "limit": _limit}
    return made.get_template(_TEMPLATE)
