"""The page of a run: whole, self-contained, and not to be taken over by what a model wrote."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from preftrain_api.report import DataReport, Finding
from preftrain_api.resolve import resolve
from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_trainer.data.pairs import Text
from preftrain_trainer.evaluation.samples import Answer
from preftrain_trainer.places.opening import open_output
from preftrain_trainer.publishing.claim import take_claim
from preftrain_trainer.report.content import RunReport
from preftrain_trainer.report.page import render
from preftrain_trainer.report.writing import leave_report, write_report
from preftrain_trainer.visible import visible
from support.report_cases import HOSTILE, SPEC, evidence, run_report
from support.trainer_cases import run_spec, workspace

SECTIONS = ("evaluation", "guards", "curves", "samples", "data", "settings", "lineage")


class Page(HTMLParser):
    """What a browser would see of a page."""

    VOID = frozenset({"meta", "br", "wbr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.ids: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        self.ids += [str(value) for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_finished_run_is_told_whole() -> None:
    """Every section, the verdicts, and both answers to every sample."""
    page = Page(render(run_report()))
    assert page.open == []
    assert tuple(id_ for id_ in page.ids if id_ in SECTIONS) == SECTIONS
    for expected in (
        "69.6 %",
        "95 % interval 60.6 to 77.2 %, 115 pairs",
        "RewardAccuracyLowerBound",
        "Displacement",
        "Mostly not. Wet pads squeal",
        "Squealing brakes can be caused",
        "Preferred in the data",
        "identicalPairs",
        "microBatchSize",
        "sha256:" + "3f" * 32,
        "9.0 GiB",
        "98.3 %",
    ):
        assert expected in page.text, expected


def test_orpo_does_not_claim_a_comparison() -> None:
    """Its rewards have no reference, so its accuracy says nothing about what was learnt."""
    spec = resolve(PreferenceTrainingJobSpec.parse({**SPEC, "method": {"type": "ORPO"}}))
    run = evidence().run.model_copy(update={"spec": spec})
    text = Page(render(run_report(evidence=evidence(run=run)))).text
    assert "ORPO does not compare with the base model" in text
    assert "adapter against base model" not in text
    assert "adapter against base model" in Page(render(run_report())).text


def test_long_names_break_between_their_words() -> None:
    """On a phone a table has a third of the width that they need."""
    html = render(run_report())
    assert "Reward<wbr>Accuracy<wbr>Lower<wbr>Bound" in html
    assert "termination<wbr>Grace<wbr>Period<wbr>Seconds" in html
    assert "dpo.<wbr>label<wbr>Smoothing" in html
    assert "&gt;&nbsp;0.5</td>" in html


def test_nothing_is_loaded_from_elsewhere() -> None:
    """No scripts, no styles or pictures by address; links lead to files beside the page."""
    html = render(run_report())
    page = Page(html)
    assert not page.tags & {"script", "img", "link", "iframe", "object", "embed", "base", "form"}
    places = [value for name, value in page.attributes if name in ("href", "src", "xlink:href")]
    assert all(re.fullmatch(r"#\w+|\w+\.jsonl?", str(value)) for value in places), places
    assert "url(" not in html
    assert "@import" not in html
    assert "default-src 'none'" in html


@pytest.mark.parametrize(
    "report",
    [
        run_report(
            samples=tuple(
                replace(
                    sample,
                    prompt=HOSTILE,
                    chosen=({"role": HOSTILE, "content": HOSTILE},),
                    adapter=Answer(HOSTILE, 1, "Length"),
                )
                for sample in run_report().samples
            )
        ),
        run_report(message=HOSTILE),
        run_report(
            evidence=evidence(
                findings=(Finding(name=HOSTILE[:60], severity="Error", message=HOSTILE, step=3),)
            )
        ),
        run_report(
            evidence=evidence(
                data_report=DataReport(
                    rows=1,
                    train_rows=1,
                    eval_rows=0,
                    findings=(Finding(name="x", severity="Info", message=HOSTILE),),
                )
            )
        ),
        run_report(evidence=evidence(resolved={HOSTILE: HOSTILE}, versions={"x": HOSTILE})),
    ],
    ids=["samples", "message", "guards", "data", "tables"],
)
def test_hostile_text_stays_text(report: RunReport) -> None:
    """Neither markup nor template code nor direction marks of a model come to life."""
    plain = Page(render(run_report()))
    html = render(report)
    page = Page(html)
    assert page.open == []
    assert page.tags <= plain.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "{{ 7 * 7 }}" in page.text
    assert "<script>document.title='owned'</script>" in page.text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f]", html)
    assert "⟨U+202E⟩" in page.text


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("x" * 100_000, 80_000),
        (({"role": "user", "content": "x" * 100_000},), 80_000),
        (({"role": "user", "content": "x" * 1000},) * 100, 80_000),
        (({"role": "user", "content": "x"},) * 5000, 4800),
    ],
    ids=["text", "message", "messages", "turns"],
)
def test_long_answers_of_the_data_are_cut(text: Text, more: int) -> None:
    """One row may be megabytes long; the page stays one that a browser opens, and says so."""
    sample = replace(run_report().samples[0], chosen=text)
    plain = len(render(run_report(samples=(replace(sample, chosen="x"),))))
    page = render(run_report(samples=(sample,)))

    assert len(page) - plain < 40_000
    assert f"… {more} more characters, which samples.jsonl has" in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("a\r\nb", "a\nb"),
        ("\x1b[31m", "⟨U+001B⟩[31m"),
        ("\u202eabc", "⟨U+202E⟩abc"),
        ("\u200babc\ufeff", "⟨U+200B⟩abc⟨U+FEFF⟩"),
        ("\ud800", "⟨U+D800⟩"),
        ("می‌خواهم", "می‌خواهم"),
        ("👩‍🔧 你好 éÅ", "👩‍🔧 你好 éÅ"),
    ],
)
def test_what_cannot_be_seen_is_shown(text: str, shown: str) -> None:
    """And what belongs to a language stays."""
    assert visible(text) == shown


def test_neither_variables_nor_secrets_are_told() -> None:
    """Whoever may read a report must not learn them from it."""
    html = render(run_report())
    assert "t0p-secret" not in html
    assert "TRACKER_TOKEN" not in html
    assert "s3-keys" not in html
    assert "s3://adapters/team-a" in html


def test_a_run_that_a_guard_stopped_is_told_as_far_as_it_came() -> None:
    """With the reason on top, the step in the curves, and nothing that was never measured."""
    stopped = run_report(
        evidence=evidence(
            evaluation=None,
            gates=(),
            merged=None,
            steps=31,
            findings=(
                Finding(name="NonFinite", severity="Error", message="the loss is nan", step=31),
            ),
        ),
        outcome="Stopped",
        message="NonFinite: the loss is nan",
        steps_log=(*run_report().steps_log[:30], {"step": 31, "loss": "nan"}),
        evaluations=(),
        margins=(),
        samples=(),
    )
    html = render(stopped)
    page = Page(html)
    assert tuple(id_ for id_ in page.ids if id_ in SECTIONS) == (
        "guards",
        "curves",
        "data",
        "settings",
        "lineage",
    )
    assert "NonFinite: the loss is nan" in page.text
    assert "31 of 240" in page.text
    assert "NonFinite at step 31" in html


def test_a_run_without_a_single_step_can_be_told() -> None:
    """A guard may end it before the first one."""
    none = run_report(
        evidence=evidence(evaluation=None, gates=(), findings=(), merged=None, steps=0),
        outcome="Failed",
        message="training: out of memory",
        steps_log=(),
        evaluations=(),
        margins=(),
        samples=(),
    )
    assert "curves" not in Page(render(none)).ids


def test_the_same_run_has_the_same_page_and_pictures(tmp_path: Path) -> None:
    """Byte for byte."""
    assert render(run_report()) == render(run_report())
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "metrics.jsonl").write_text(
            "".join(f'{{"step": {step}, "loss": {1 / step}}}\n' for step in range(1, 60))
        )
        write_report(folder, evidence(), "Published", "", 60)
    pictures = sorted(path.name for path in (tmp_path / "one" / "curves").iterdir())
    assert pictures == ["loss.png"]
    one, two = (tmp_path / name / "curves" / "loss.png" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes().startswith(b"\x89PNG")


def test_the_report_of_a_stopped_run_is_left_without_a_manifest(tmp_path: Path) -> None:
    """So nothing looks published; a later pod's claim keeps the earlier one from writing."""
    folder, out = tmp_path / "report", tmp_path / "out" / "team" / "tiny" / "r1"
    (folder / "curves").mkdir(parents=True)
    (folder / "report.html").write_text("page")
    (folder / "curves" / "loss.png").write_bytes(b"png")
    store = open_output(run_spec(tmp_path), workspace(tmp_path), patient=False)
    claim = take_claim(store, "pod-1", "ConditionalWrites")

    leave_report(folder, store, claim, "ConditionalWrites")

    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*")) == [
        "claim.json",
        "report/curves/loss.png",
        "report/report.html",
    ]
    take_claim(store, "pod-2", "ConditionalWrites")
    (folder / "report.html").write_text("late")
    leave_report(folder, store, claim, "ConditionalWrites")
    assert (out / "report" / "report.html").read_text() == "page"
