"""`preftrain audit` and `preftrain advise` on a laptop: data without a manifest, or with one."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from preftrain_api.exit_codes import ExitCode
from preftrain_api.report import AuditReport
from preftrain_trainer.__main__ import main
from support.tiny_model import CHATML, write_tokenizer
from support.trainer_cases import job, preftrain, text_rows, write_rows

BAD = {"prompt": "q", "chosen": "same", "rejected": "same"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own; nothing may be left in it."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = main(list(map(str, arguments)))
    out, err = capsys.readouterr()
    return code, out, err


def test_a_file_is_judged_without_a_manifest(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A relative path, a readable table, exit code 0, and no folder left behind."""
    write_rows(tmp_path / "pairs.jsonl.gz", text_rows(200))

    code, out, _ = run(capsys, "audit", "pairs.jsonl.gz")

    assert code == ExitCode.DONE
    assert "200 rows: 190 trained on, 10 held out, 0 left out" in out
    assert "no model is named" in out
    assert list((cache / "preftrain" / "runs").iterdir()) == []


def test_bad_data_end_with_65_and_the_whole_report(tmp_path: Path) -> None:
    """As a process: the report on stdout, one sentence on stderr, and the page is written."""
    write_rows(tmp_path / "pairs.csv", [*text_rows(90), *[BAD] * 10])

    ended = preftrain("audit", tmp_path / "pairs.csv", "--json", "--html", tmp_path / "page.html")

    assert ended.returncode == ExitCode.DATA_REFUSED
    assert AuditReport.model_validate_json(ended.stdout).dropped == {"identicalPairs": 10}
    assert ended.stderr.startswith("preftrain: 10 of 100 rows")
    assert ended.stderr.count("\n") == 1
    assert "Refused" in (tmp_path / "page.html").read_text()


def test_warn_only_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --policy Warn the same data end with 0."""
    write_rows(tmp_path / "pairs.jsonl", [*text_rows(90), *[BAD] * 10])

    code, out, _ = run(capsys, "audit", tmp_path / "pairs.jsonl", "--policy", "Warn")

    assert code == ExitCode.DONE
    assert "WARN  identicalPairs" in out


def test_a_manifest_brings_its_own_thresholds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And its model, whose tokenizer is asked; --policy replaces its policy."""
    write_rows(tmp_path / "data.jsonl", [*text_rows(90), *[BAD] * 10])
    (tmp_path / "model").mkdir()
    write_tokenizer(tmp_path / "model", ["Question Good Bad"], template=CHATML)
    audit = {"policy": "Warn", "thresholds": {"identicalPairs": 0.05}}
    raw = job(tmp_path, dataset={"uri": "file://data.jsonl", "audit": audit})
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(raw))

    code, out, _ = run(capsys, "audit", tmp_path / "job.yaml", "--json")
    report = AuditReport.model_validate_json(out)

    assert code == ExitCode.DONE
    assert report.thresholds.identical_pairs == 0.05
    assert report.token_sample == 90
    assert run(capsys, "audit", tmp_path / "job.yaml", "--policy", "Enforce")[0] == 65


def test_options_for_data_without_a_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Split, columns, length and model stand in a manifest where there is one."""
    rows = [
        {"q": row["prompt"], "good": row["chosen"], "bad": row["rejected"]}
        for row in text_rows(120)
    ]
    write_rows(tmp_path / "set" / "train.jsonl", rows)
    write_rows(tmp_path / "set" / "check.jsonl", rows[:10])
    (tmp_path / "model").mkdir()
    write_tokenizer(tmp_path / "model", ["Question Good Bad"], template=CHATML)
    arguments = ("audit", "set", "--columns", "prompt=q,chosen=good, rejected=bad")
    more = ("--eval-split", "check", "--model", "model", "--max-length", "512", "--json")

    code, out, _ = run(capsys, *arguments, *more)
    report = AuditReport.model_validate_json(out)

    assert code == ExitCode.DONE
    assert (report.rows, report.train_rows, report.eval_rows) == (130, 120, 0)
    assert report.dropped == {"evalOverlap": 10}
    assert report.token_sample == 120
    assert [c.outcome for c in report.checks if c.name == "evalOverlap"] == ["Warning"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("audit", "nowhere.jsonl"), 65, "nowhere.jsonl does not exist"),
        (("audit", "job.yaml", "--split", "test"), 64, "--split is for data without a manifest"),
        (("audit", "ftp://x/y"), 64, "hf://owner/name"),
        (("audit", "pairs.jsonl", "--html", "no/such/folder/x.html"), 64, "cannot be written"),
        (("audit", "pairs.jsonl", "--columns", "prompt"), 2, "write PART=NAME"),
        (
            ("audit", "pairs.jsonl", "--max-length", "1"),
            64,
            "maxLength: must be at least 16",
        ),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    """Each with what to correct, and the exit code of its kind."""
    write_rows(tmp_path / "pairs.jsonl", text_rows(9))
    try:
        ended, _, err = run(capsys, *arguments)
    except SystemExit as exit_:  # a mistake on the command line itself
        ended, err = int(str(exit_.code)), capsys.readouterr().err

    assert ended == code
    assert says in err


def advise(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    code, out, _ = run(capsys, "advise", *arguments, "--json")
    assert code == ExitCode.DONE
    found: dict[str, Any] = json.loads(out)
    return found


def test_pairs_are_advised_to_use_dpo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As text with a snippet, even where the audit would refuse the data."""
    write_rows(tmp_path / "pairs.jsonl", [*text_rows(90), *[BAD] * 10])

    code, out, _ = run(capsys, "advise", "pairs.jsonl")
    snippet = yaml.safe_load(out[out.index("spec:") :])

    assert code == ExitCode.DONE
    assert snippet["spec"]["method"]["type"] == "DPO"
    assert "`preftrain audit` warns of identicalPairs" in out
    assert advise(capsys, "pairs.jsonl", "--without-reference")["method"] == "ORPO"


def test_labelled_answers_are_advised_to_use_kto(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Found out from the columns."""
    rows = [
        {"prompt": f"Question {n}?", "completion": f"Answer {n}.", "label": bool(n % 2)}
        for n in range(120)
    ]
    write_rows(tmp_path / "labels.jsonl", rows)

    advice = advise(capsys, "labels.jsonl")

    assert advice["method"] == "KTO"
    assert advice["spec"]["method"] == {"type": "KTO", "kto": {"beta": 0.1}}


def test_clean_data_are_not_said_to_be_bad(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No sentence about the audit where it has nothing to warn of."""
    rows = [
        {"prompt": f"Question {n}?", "chosen": f"Right, {n}.", "rejected": f"Never, {n}."}
        for n in range(400)
    ]
    write_rows(tmp_path / "pairs.jsonl", rows)

    _, out, _ = run(capsys, "advise", "pairs.jsonl")

    assert "preftrain audit" not in out
    assert "evalFraction" in out


def test_hh_text_needs_no_conversion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The dialogues of the HH sets, gzipped, as they are published."""
    start = "\n\nHuman: What is {n}?\n\nAssistant: A number.\n\nHuman: And more?\n\nAssistant:"
    rows = [
        {"chosen": f"{start.format(n=n)} Yes, {n}.", "rejected": f"{start.format(n=n)} No, {n}."}
        for n in range(120)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "hh.jsonl.gz").write_bytes(gzip.compress(text.encode()))

    code, out, _ = run(capsys, "audit", "hh.jsonl.gz")

    assert code == ExitCode.DONE
    assert "conversations" in out.splitlines()[0]
