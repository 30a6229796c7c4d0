"""Renders the report of a run as one HTML page that needs nothing else. Pure.

No scripts, no fonts, no requests: the page's own policy forbids them, so text of a model or a
data set could not do anything even if it slipped through the escaping.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from preftrain_trainer.data.pairs import Text
from preftrain_trainer.evaluation.margins import PairMargin
from preftrain_trainer.evaluation.samples import SAMPLES
from preftrain_trainer.report import chart
from preftrain_trainer.report.content import RunReport
from preftrain_trainer.report.figures import FIGURES, Figure
from preftrain_trainer.report.series import Points, points
from preftrain_trainer.report.settings import settings
from preftrain_trainer.visible import visible

_WORST = 5
"""Pairs with the lowest margins that are listed by row."""
_SAMPLE_CHARACTERS = 20_000
_SAMPLE_TURNS = 200
_SPEAKER_CHARACTERS = 60
"""Of a prompt or an answer of the data, as the page shows it."""
_OPERATORS = {"GreaterThan": ">", "AtLeast": "≥", "LessThan": "<", "AtMost": "≤"}
_ENDINGS = {
    "EndMark": "ended by itself",
    "Length": "cut at the longest length",
    "Time": "cut because the time for samples was up",
}


@dataclass(frozen=True, slots=True)
class _Chart:
    """A chart with what stands around it."""

    title: str
    says: str
    svg: Markup
    legend: tuple[tuple[str, str, str], ...]
    """Class of the colour, label and newest value of each line."""


@dataclass(frozen=True, slots=True)
class _Margins:
    """What the pairs' margins come to."""

    svg: Markup
    right: int
    middle: float
    chosen_tokens: float
    rejected_tokens: float
    worst: Sequence[PairMargin]


def render(report: RunReport) -> str:
    """The page of a run, whole or ended early."""
    losses = points(report.steps_log, "loss")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            evidence=report.evidence,
            spec=report.evidence.run.spec,
            identity=report.evidence.run.identity,
            charts=_charts(report),
            losses=(losses[0][1], losses[-1][1]) if losses else None,
            interval=_interval(report),
            margins=_margins(report.margins),
            settings=settings(report.evidence.run.spec),
            endings=_ENDINGS,
            operators=_OPERATORS,
        )
    )


def _charts(report: RunReport) -> list[_Chart]:
    marks = [
        chart.Mark(finding.step, f"{finding.name} at step {finding.step}")
        for finding in report.evidence.findings
        if finding.step is not None
    ]
    return [_chart(figure, report, marks) for figure in FIGURES if figure.series(report.steps_log)]


def _chart(figure: Figure, report: RunReport, marks: Sequence[chart.Mark]) -> _Chart:
    series = figure.series(report.steps_log)
    evaluated: Points = ()
    if figure.evaluated is not None:
        evaluated = points(report.evaluations, figure.evaluated)
    legend = [
        (f"c{number}", line.label, chart.figure(line.last)) for number, line in enumerate(series)
    ]
    if evaluated:
        legend.append(("evaluated", "held out", chart.figure(evaluated[-1][1])))
    return _Chart(
        title=figure.title,
        says=figure.says,
        svg=chart.line_chart(
            series,
            title=figure.title,
            evaluated=evaluated,
            marks=marks,
            bounds=figure.bounds,
            level=figure.level,
            smooth=figure.smooth,
        ),
        legend=tuple(legend),
    )


def _interval(report: RunReport) -> Markup | None:
    found = report.evidence.evaluation
    if found is None:
        return None
    return chart.interval(
        found.reward_accuracy,
        found.accuracy_low,
        found.accuracy_high,
        title=f"reward accuracy {found.reward_accuracy:.3f}, 95 % interval "
        f"{found.accuracy_low:.3f} to {found.accuracy_high:.3f}",
    )


def _margins(margins: Sequence[PairMargin]) -> _Margins | None:
    if not margins:
        return None
    values = [margin.margin for margin in margins]
    return _Margins(
        svg=chart.histogram(values, title="Margins of the held-out pairs", zero="right →"),
        right=sum(value > 0 for value in values),
        middle=median(values),
        chosen_tokens=fmean(margin.chosen_tokens for margin in margins),
        rejected_tokens=fmean(margin.rejected_tokens for margin in margins),
        worst=sorted(margins, key=lambda margin: (margin.margin, margin.row))[:_WORST],
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("preftrain_trainer.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters["figure"] = chart.figure
    environment.filters["duration"] = _duration
    environment.filters["turns"] = _turns
    environment.filters["bytes"] = _bytes
    environment.filters["words"] = _words
    return environment


def _shown(value: object) -> object:
    """Whatever is text and no markup of ours has its invisible characters written out."""
    return visible(value) if type(value) is str else value


def _turns(text: Text) -> list[tuple[str, str]]:
    """Speakers and what they say; plain text has no speaker.

    An answer of the data may be far longer than what is trained on, and the page is one file.
    """
    turns = [("", text)] if isinstance(text, str) else [(t["role"], t["content"]) for t in text]
    left, shown = _SAMPLE_CHARACTERS, []
    for at, (speaker, words) in enumerate(turns):
        shown.append((speaker[:_SPEAKER_CHARACTERS], words[:left]))
        if len(words) > left or len(shown) == _SAMPLE_TURNS:
            more = len(words[left:]) + sum(len(later) for _, later in turns[at + 1 :])
            if more:
                shown.append(("", f"… {more} more characters, which {SAMPLES} has"))
            break
        left -= len(words)
    return shown


def _words(name: str) -> Markup:
    """A name in camelCase or with dots, which may be broken between its words."""
    return Markup("<wbr>").join(re.split(r"(?<=[a-z.])(?=[A-Z])|(?<=\.)", visible(name)))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _bytes(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB"
