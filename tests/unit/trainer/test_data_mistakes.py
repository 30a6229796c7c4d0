"""Mistakes that people make with data: an exit code, and a sentence with place and way out."""

import gzip
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from preftrain_trainer.__main__ import main
from preftrain_trainer.errors import ObjectStoreUnavailable
from preftrain_trainer.places.folder_source import FolderSource
from preftrain_trainer.places.opening import open_source
from support.trainer_cases import Rows, run_spec, text_rows, workspace, write_rows

ROWS = text_rows(120)


def lines(rows: Rows) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def parquet(rows: Rows) -> bytes:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
    return sink.getvalue()


def renamed(**columns: str) -> Rows:
    return [{columns.get(name, name): text for name, text in row.items()} for row in ROWS]


def turns(role: str, content: Any) -> Rows:
    answers = {name: [{"role": "assistant", "content": name}] for name in ("chosen", "rejected")}
    return [{"prompt": [{"role": role, "content": content}], **answers}] * 9


MISTAKES: dict[str, tuple[str, bytes, list[str]]] = {
    "other column names": (
        "d.jsonl",
        lines(renamed(prompt="ask", chosen="good", rejected="bad")),
        ["d.jsonl has the columns ask, bad, good", "dataset.columns"],
    ),
    "one column lacking": (
        "d.jsonl",
        lines([{"prompt": "q", "chosen": "a"}] * 9),
        ["no column 'rejected'", "dataset.columns.rejected"],
    ),
    "rows of two shapes": (
        "d.jsonl",
        lines([*ROWS, *[{"prompt": "q", "completion": "a", "label": True}] * 30]),
        ["30 of 150 rows", "d.jsonl line 121: chosen is missing", "correct the data"],
    ),
    "an empty file": ("d.jsonl", b"", ["d.jsonl is empty; the upload may have been cut off"]),
    "gzip cut off": (
        "d.jsonl.gz",
        gzip.compress(lines(ROWS))[:-30],
        ["d.jsonl.gz is not whole gzip data", "upload it again"],
    ),
    "no gzip": (
        "d.jsonl.gz",
        lines(ROWS),
        ["d.jsonl.gz is not whole gzip data", "take .gz out of its name if it is not packed"],
    ),
    "objects for text in Parquet": (
        "d.parquet",
        parquet([{**row, "chosen": {"text": row["chosen"], "id": {"n": 1}}} for row in ROWS]),
        ["120 of 120 rows", "d.parquet row 1: chosen is neither text nor a list of messages"],
    ),
    "Parquet cut off": ("d.parquet", parquet(ROWS)[:-9], ["d.parquet cannot be read as Parquet"]),
    "a pointer of Git LFS": (
        "d.parquet",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        ["d.parquet is a pointer of Git LFS", "git lfs pull"],
    ),
    "a key twice": (
        "d.jsonl",
        lines(ROWS) + b'{"prompt": "q", "chosen": "a", "chosen": "b", "rejected": "c"}\n' * 9,
        ["9 of 129 rows", "d.jsonl line 121: has the key 'chosen' twice"],
    ),
    "a key that is no text": (
        "d.jsonl",
        b'{"pro\\ud800mpt": "q", "chosen": "a", "rejected": "b"}\n' * 9,
        ["d.jsonl line 1: has a key that is not valid Unicode"],
    ),
    "text that is none": (
        "d.jsonl",
        b'{"prompt": "q", "chosen": "\\ud800", "rejected": "b"}\n' * 9,
        ["d.jsonl line 1: chosen is not valid Unicode"],
    ),
    "NaN for an answer": (
        "d.jsonl",
        lines(ROWS) + b'{"prompt": "q", "chosen": NaN, "rejected": "c"}\n' * 9,
        ["d.jsonl line 121: chosen is neither text"],
    ),
    "labels that are words": (
        "d.jsonl",
        lines([{"prompt": "q", "completion": "a", "label": "maybe"}] * 9),
        ["column 'label' that cannot be a label", "dataset.columns.label"],
    ),
    "some labels that are words": (
        "d.jsonl",
        lines([{"prompt": "q", "completion": f"a {n}", "label": n % 2} for n in range(90)])
        + lines([{"prompt": "q", "completion": "b", "label": "maybe"}] * 9),
        ["9 of 99 rows", "d.jsonl line 91: label 'maybe' says neither good nor bad"],
    ),
    "a list in a file of lines": (
        "d.jsonl",
        json.dumps(ROWS).encode(),
        ["d.jsonl line 1: not a JSON object", "a list of objects is called .json"],
    ),
    "objects over several lines": (
        "d.jsonl",
        json.dumps(ROWS, indent=1).encode()[1:],
        ["d.jsonl line 2: not JSON", "one JSON object a line"],
    ),
    "columns in place of rows": (
        "d.json",
        json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}).encode(),
        ["d.json is one object that holds columns (prompt, chosen, rejected)", "list of rows"],
    ),
    "columns by number": (
        "d.json",
        json.dumps({name: {"0": "a"} for name in ROWS[0]}).encode(),
        ["d.json is one object that holds columns", "orient='records'"],
    ),
    "all splits in one file": (
        "d.json",
        json.dumps({"train": ROWS, "test": ROWS[:9]}).encode(),
        ["d.json is one object that holds several lists of rows (train, test)", "file of its own"],
    ),
    "a rating of hundreds of digits": (
        "d.jsonl",
        lines(
            [
                {
                    "prompt": f"q {number}",
                    "response_0": "a",
                    "response_1": "b",
                    "better_response_id": 10**400 if number < 9 else number % 2,
                }
                for number in range(120)
            ]
        ),
        ["9 of 120 rows", "d.jsonl line 1: better_response_id 1000", "names neither answer"],
    ),
    "a column that a terminal would obey": (
        "d.jsonl",
        lines([{"a\x1b[31m": "q", "b": "a"}]),
        ["d.jsonl has the columns a⟨U+001B⟩[31m, b, which"],
    ),
    "one number": ("d.json", b"7", ["d.json is neither a JSON list of objects nor JSON lines"]),
    "Latin-1 lines": (
        "d.jsonl",
        '{"prompt": "Grüße", "chosen": "a", "rejected": "b"}\n'.encode("latin-1") * 9,
        ["d.jsonl line 1: not UTF-8 (byte 15)", "in UTF-8"],
    ),
    "Latin-1 table": (
        "d.csv",
        "prompt,chosen,rejected\nGrüße,a,b\n".encode("latin-1"),
        ["d.csv is not CSV in UTF-8: line 1 or one soon after it", "save it as UTF-8"],
    ),
    "UTF-16": ("d.jsonl", lines(ROWS).decode().encode("utf-16"), ["d.jsonl line 1: not UTF-8"]),
    "semicolons": (
        "d.csv",
        b"prompt;chosen;rejected\nq;a;b\n",
        ["d.csv line 1", "separate them by commas"],
    ),
    "more fields than columns": (
        "d.csv",
        b"prompt,chosen,rejected\nq,a,b,c\n",
        ["d.csv row 1: more fields than the header has columns"],
    ),
    "a quote that is not closed": (
        "d.csv",
        b'prompt,chosen,rejected\nq,"a,b\nq,a,b\n',
        ["d.csv line 2 is not CSV", "unexpected end of data"],
    ),
    "a page in place of data": ("d.jsonl", b"<html>\n</html>\n", ["d.jsonl line 1: not JSON"]),
    "a spreadsheet": ("d.xlsx", b"PK", ["d.xlsx is of no known form", ".parquet"]),
    "roles of another tool": (
        "d.jsonl",
        lines(turns("bot", "q")),
        ["d.jsonl line 1: prompt: a message has the role 'bot', not one of assistant, system"],
    ),
    "pictures": (
        "d.jsonl",
        lines(turns("user", [{"type": "image"}])),
        ["d.jsonl line 1: prompt:", "type 'image'; only text can be trained on"],
    ),
    "the same answer twice": (
        "d.jsonl",
        lines([{**row, "rejected": row["chosen"]} for row in ROWS]),
        ["120 of 120 rows", "one answer as both chosen and rejected", "d.jsonl line 1"],
    ),
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def judged(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["audit", *arguments])
    return code, capsys.readouterr().err


@pytest.mark.fault(18)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_with_65_and_says_where_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mistake: str
) -> None:
    """One sentence; the file, and the row and column where there is one."""
    name, content, says = MISTAKES[mistake]
    (tmp_path / name).write_bytes(content)

    code, said = judged(capsys, name)

    assert code == 65
    assert said.startswith("preftrain: ")
    assert said.count("\n") == 1
    for part in says:
        assert part in said


@pytest.mark.parametrize(
    "changed", [lambda text: b"\xef\xbb\xbf" + text, lambda text: text.replace(b"\n", b"\r\n")]
)
def test_marks_and_line_ends_of_other_systems_are_no_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: Callable[[bytes], bytes]
) -> None:
    """They are no part of the text."""
    (tmp_path / "d.jsonl").write_bytes(changed(lines(ROWS)))

    assert judged(capsys, "d.jsonl") == (0, "")


def test_a_saved_state_of_datasets_is_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its descriptions are JSON, and no data."""
    for name in ("dataset_info.json", "state.json", "data-00000-of-00001.arrow"):
        write_rows(tmp_path / "saved" / "x.jsonl", ROWS).rename(tmp_path / "saved" / name)

    code, said = judged(capsys, "saved")

    assert code == 65
    assert "saved state of the library datasets, which to_parquet() exports" in said


def test_a_folder_as_the_hub_has_it_needs_no_naming(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Descriptions beside the data are passed over; a split that is not there is named."""
    write_rows(tmp_path / "set" / "data" / "train-00000-of-00001.parquet", ROWS)
    (tmp_path / "set" / "dataset_infos.json").write_text("{}")

    assert judged(capsys, "set") == (0, "")
    code, said = judged(capsys, "set", "--split", "dev")
    assert code == 65
    assert "no file of the split dev" in said
    assert "data/train-00000-of-00001.parquet" in said


def test_a_file_name_that_is_not_utf8_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It could be in no report."""
    (tmp_path / "set").mkdir()
    with open(os.fsencode(tmp_path / "set") + b"/train-\xe4.jsonl", "wb") as stream:  # noqa: PTH123
        stream.write(lines(ROWS))

    code, said = judged(capsys, "set")

    assert code == 69
    assert "the name of the file 'train-\\udce4.jsonl' is not UTF-8; rename it" in said


def test_data_that_may_not_be_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another attempt may fare better once the rights are there."""
    path = write_rows(tmp_path / "data.jsonl", ROWS)
    source = open_source(run_spec(tmp_path).spec.dataset, workspace(tmp_path))
    assert isinstance(source, FolderSource)

    def denied(self: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(ObjectStoreUnavailable, match="Permission denied; make it readable") as told:
        source.files()
    assert str(path) in str(told.value)
