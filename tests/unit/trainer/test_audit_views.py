"""The report for people: as a page and on a terminal."""

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from preftrain_api.report import AuditReport, CheckResult, Lengths
from preftrain_api.spec.audit import DEFAULT_THRESHOLDS
from preftrain_trainer.audit import page, terminal

LENGTHS = Lengths(
    part="Prompt",
    unit="Tokens",
    count=9,
    mean=12.4,
    p5=1,
    p25=4,
    p50=10,
    p75=20,
    p95=40,
    p99=50,
    longest=1234,
)


def result(name: str, outcome: str, **members: object) -> CheckResult:
    fields = {"name": name, "outcome": outcome, "message": f"{name} says so", **members}
    return CheckResult.model_validate(fields)


def report(*checks: CheckResult, **members: object) -> AuditReport:
    fields = {
        "rows": 1200,
        "train_rows": 1000,
        "eval_rows": 100,
        "dropped_rows": 100,
        "dropped": {"malformed": 60, "identicalPairs": 40},
        "kind": "Paired",
        "shape": "chosen and rejected (chosen, rejected); plain text",
        "digest": "sha256:" + "0" * 64,
        "policy": "Enforce",
        "thresholds": DEFAULT_THRESHOLDS,
        "checks": checks,
        "lengths": (LENGTHS,),
        "token_sample": 9,
        **members,
    }
    return AuditReport.model_validate(fields)


class Page(HTMLParser):
    """Text of a page, and whether its elements are closed in order."""

    VOID = ("meta", "br", "link", "img")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.links: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def __str__(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (report(result("malformed", "Error")), "Refused 1 check beyond the limit: malformed."),
        (
            report(result("a", "Error"), result("nearIdenticalPairs", "Error")),
            "Refused 2 checks beyond the limit: a, near identical pairs.",
        ),
        (
            report(result("noEndMark", "Error"), policy="Warn"),
            "Refused The model's chat template cannot be trained with.",
        ),
        (report(policy="Warn", train_rows=0), "Refused No usable example is left to train on."),
        (report(result("a", "Warning")), "May be trained on 1 thing to look at first: a."),
        (
            report(result("a", "Warning"), result("b", "Warning")),
            "May be trained on 2 things to look at first: a, b.",
        ),
        (report(result("a", "Passed")), "May be trained on No check is beyond its limit."),
    ],
)
def test_the_page_begins_with_the_verdict(made: AuditReport, says: str) -> None:
    """The first thing that a reader sees is whether the data may be trained on."""
    assert says in str(Page(page.render(made)))


def test_the_page_shows_findings_figures_and_rows() -> None:
    """With the way out, the limit, and where to look."""
    found = result(
        "malformed",
        "Warning",
        way_out="correct the data",
        value=0.05,
        threshold=0.01,
        examples=("row 3", "row 9"),
    )
    skipped = result("ktoWeights", "NotChecked", message="the data are pairs")

    text = str(Page(page.render(report(found, result("secrets", "Passed"), skipped))))

    for part in (
        "Malformed Warning malformed says so. Correct the data.",
        "limit 0.01",
        "For example: row 3, row 9",
        "1 200 rows read",
        "identical pairs 40 (3.3 %)",
        "of a sample of 9 examples",
        "1 234",
        "Secrets secrets says so",
        "not checked: the data are pairs",
    ):
        assert part in text


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    """It can be mailed, and text of file names cannot become markup."""
    evil = "<script>alert(1)</script> line 2"
    html = page.render(report(result("malformed", "Error", examples=(evil,))))

    assert Page(html).links == []
    assert "<script" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize("render", [page.render, terminal.render])
def test_what_cannot_be_seen_is_written_out(render: Callable[[AuditReport], str]) -> None:
    """A column, a file or a model can be called so that a terminal or a reader is misled."""
    evil = "\x1b[31mcolumn\u202e"
    text = render(report(result("malformed", "Error", examples=(evil,), message=evil), shape=evil))

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "⟨U+001B⟩" in text


def test_a_bar_shows_value_and_threshold() -> None:
    """The longer of the two fills the room, with some to spare beyond a threshold."""
    assert page.bar(result("a", "Error", value=0.4, threshold=0.1)) == (100, 25)
    assert page.bar(result("a", "Info", value=0.05, threshold=0.1)) == (31.25, 62.5)
    assert page.bar(result("a", "NotChecked")) is None
    assert page.bar(result("a", "Warning", value=0.1, threshold=0)) is None


def test_a_page_of_nothing_at_all() -> None:
    """No rows, no lengths, no checks."""
    empty = report(rows=0, train_rows=0, eval_rows=0, dropped={}, lengths=())

    assert "0 rows read" in str(Page(page.render(empty)))


def test_the_terminal_shows_the_same_in_lines() -> None:
    """Findings first, then what passed, then what was not checked and why."""
    checks = (
        result("malformed", "Error", way_out="correct the data", examples=("a-very-long name 1",)),
        result("secrets", "Info"),
        result("a", "Passed"),
        result("ktoWeights", "NotChecked", message="the data are pairs"),
        result("labelImbalance", "NotChecked", message="the data are pairs"),
    )

    lines = terminal.render(report(*checks)).splitlines()

    assert lines[:2] == [
        "read as chosen and rejected (chosen, rejected); plain text",
        "1200 rows: 1000 trained on, 100 held out, 100 left out (malformed 60, identicalPairs 40)",
    ]
    assert lines[4].split() == ["prompt", "tokens", "10", "12", "40", "50", "1234"]
    assert lines[6].startswith("ERROR malformed    ")
    assert "correct the data" in " ".join(lines[6:8])
    assert lines[-3:] == [
        "note  secrets                   secrets says so",
        "ok    1 checks: a",
        "-     not checked, because the data are pairs: ktoWeights, labelImbalance",
    ]
    assert max(map(len, lines)) <= 100


def test_the_terminal_without_lengths(tmp_path: Path) -> None:
    """Under the policy Skip nothing was measured."""
    text = terminal.render(report(lengths=(), dropped={}))

    assert "median" not in text
