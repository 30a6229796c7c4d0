"""The audit: what is left out, what is too much, and what the report says."""

from pathlib import Path
from typing import Any

import pytest

from preftrain_api.report import DataReport
from preftrain_trainer.audit.judge import RefusedData, audit
from preftrain_trainer.data.pairs import LoadedData
from support.trainer_cases import Rows, load_data, run_spec, text_rows, write_rows

EMPTY = {"prompt": "q", "chosen": "", "rejected": "b"}
IDENTICAL = {"prompt": "q", "chosen": "same", "rejected": "same"}


def load(tmp_path: Path, rows: Rows, **dataset: Any) -> LoadedData:
    write_rows(tmp_path / "data.jsonl", rows)
    run = run_spec(tmp_path, dataset={"uri": "file://data.jsonl", **dataset})
    return load_data(run, tmp_path)


def judged(tmp_path: Path, rows: Rows, **dataset: Any) -> DataReport:
    run = run_spec(tmp_path, dataset={"uri": "file://data.jsonl", **dataset})
    return audit(load(tmp_path, rows, **dataset), run.spec.dataset.audit)


def test_a_few_bad_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    """Below the thresholds the rest is trained on, and the report has the figures."""
    report = judged(tmp_path, [*text_rows(198), EMPTY, IDENTICAL])

    assert (report.rows, report.dropped_rows) == (200, 2)
    assert report.train_rows + report.eval_rows == 198
    assert {finding.name: finding.count for finding in report.findings} == {
        "malformed": 1,
        "identicalPairs": 1,
        "fewHeldOut": report.eval_rows,
    }
    assert "data.jsonl line 199: chosen is empty" in report.findings[0].message


@pytest.mark.parametrize(
    ("bad", "name"), [(EMPTY, "malformed"), (IDENTICAL, "identicalPairs")], ids=["empty", "same"]
)
def test_too_many_bad_rows_are_refused(tmp_path: Path, bad: dict[str, str], name: str) -> None:
    """The message has the share, the threshold's name, examples, and the report comes along."""
    with pytest.raises(RefusedData) as refusal:
        judged(tmp_path, [*text_rows(90), *[bad] * 10])

    message = str(refusal.value)
    assert "10 of 100 rows (10.0%)" in message
    assert f"dataset.audit.thresholds.{name}" in message
    assert "data.jsonl line 91" in message
    assert refusal.value.report.dropped_rows == 10


@pytest.mark.parametrize(
    "spec",
    [{"policy": "Warn"}, {"policy": "Skip"}, {"thresholds": {"malformed": 0.2}}],
    ids=["warn", "skip", "threshold"],
)
def test_the_spec_can_let_bad_rows_pass(tmp_path: Path, spec: dict[str, Any]) -> None:
    """Another policy or threshold only reports them."""
    report = judged(tmp_path, [*text_rows(90), *[EMPTY] * 10], audit=spec)

    assert report.dropped_rows == 10


def test_nothing_to_train_on_is_refused_under_every_policy(tmp_path: Path) -> None:
    """Without a usable pair there is no run."""
    with pytest.raises(RefusedData, match="3 of 3 rows"):
        judged(tmp_path, [EMPTY] * 3, audit={"policy": "Warn"})


def test_unreadable_lines_are_rows_that_are_counted(tmp_path: Path) -> None:
    """A damaged line is named by number and does not hide the others."""
    path = write_rows(tmp_path / "data.jsonl", text_rows(300))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[256] = b'{"prompt": "cut of\n'
    path.write_bytes(b"".join(lines))
    run = run_spec(tmp_path)

    loaded = load_data(run, tmp_path)

    assert loaded.tally.dropped_rows == 1
    assert "data.jsonl line 257: not JSON" in loaded.tally.dropped["malformed"].examples[0]


def test_a_set_of_two_kinds_keeps_the_larger_one(tmp_path: Path) -> None:
    """Plain text among conversations is left out and counted."""
    talk = [
        {"prompt": [{"role": "user", "content": f"q{n}"}], "chosen": "a", "rejected": "b"}
        for n in range(299)
    ]
    loaded = load(tmp_path, [*talk, *text_rows(1)], evalFraction=0)

    assert loaded.conversational
    assert len(loaded.train) == 299
    assert (
        "row 300: not a conversation like most rows"
        in loaded.tally.dropped["malformed"].examples[0]
    )


def test_few_pairs_are_warned_about(tmp_path: Path) -> None:
    """Ten pairs train, with a warning."""
    names = {finding.name for finding in judged(tmp_path, text_rows(10)).findings}

    assert names == {"fewPairs", "fewHeldOut"}
