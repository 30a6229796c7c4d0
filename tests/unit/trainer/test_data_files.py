"""Data files: every form that can be read, and what is said about those that cannot."""

import errno
import gzip
import json
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from preftrain_trainer.data import json_rows, json_text, table_rows
from preftrain_trainer.data.pairs import LoadedData
from preftrain_trainer.data.rows import read_rows
from preftrain_trainer.errors import DataRefused
from support.trainer_cases import load_data, run_spec, text_rows, write_rows

FORMS = ["jsonl", "ndjson", "json", "csv", "parquet"]


def load(tmp_path: Path, uri: str, **dataset: Any) -> LoadedData:
    run = run_spec(tmp_path, dataset={"uri": uri, **dataset})
    return load_data(run, tmp_path)


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_reads_to_the_same_pairs(tmp_path: Path, form: str, packed: str) -> None:
    """The form of a file changes neither the pairs nor their digest."""
    write_rows(tmp_path / f"pairs.{form}{packed}", text_rows(40))
    write_rows(tmp_path / "reference.jsonl", text_rows(40))

    loaded = load(tmp_path, f"file://pairs.{form}{packed}")

    assert loaded.digest == load(tmp_path, "file://reference.jsonl").digest
    assert len(loaded.train) + len(loaded.held_out) == 40
    assert not loaded.conversational


@pytest.mark.parametrize("form", ["jsonl", "json", "parquet"])
def test_messages_survive_every_form_that_can_hold_them(tmp_path: Path, form: str) -> None:
    """Conversations come out as conversations."""
    rows = [
        {
            "prompt": [{"role": "user", "content": f"Question {n}?"}],
            "chosen": [{"role": "assistant", "content": "yes"}],
            "rejected": [{"role": "assistant", "content": "no"}],
        }
        for n in range(10)
    ]
    write_rows(tmp_path / f"pairs.{form}", rows)

    loaded = load(tmp_path, f"file://pairs.{form}", evalFraction=0)

    assert loaded.conversational
    assert loaded.train[3].columns() == rows[3]


def test_all_files_of_a_split_are_read_in_order(tmp_path: Path) -> None:
    """A folder with shards is one data set; row numbers go on over the files."""
    rows = text_rows(10)
    write_rows(tmp_path / "set" / "train-00000-of-00002.jsonl", rows[:6])
    write_rows(tmp_path / "set" / "train-00001-of-00002.jsonl", rows[6:])
    write_rows(tmp_path / "set" / "test.jsonl", text_rows(3))

    loaded = load(tmp_path, "file://set", evalFraction=0)

    assert [pair.row for pair in loaded.train] == list(range(1, 11))
    assert [pair.prompt for pair in loaded.train] == [row["prompt"] for row in rows]


def test_an_evaluation_split_replaces_the_fraction(tmp_path: Path) -> None:
    """EvalSplit holds out that file and nothing of the training file."""
    write_rows(tmp_path / "set" / "train.jsonl", text_rows(8))
    write_rows(tmp_path / "set" / "test.jsonl", text_rows(11)[8:])

    loaded = load(tmp_path, "file://set", evalSplit="test")

    assert (len(loaded.train), len(loaded.held_out)) == (8, 3)


def test_columns_can_have_other_names(tmp_path: Path) -> None:
    """dataset.columns says where the parts of a pair stand."""
    rows = [{"q": "Why?", "good": f"a {n}", "bad": "b"} for n in range(4)]
    write_rows(tmp_path / "pairs.csv", rows)

    loaded = load(
        tmp_path,
        "file://pairs.csv",
        columns={"prompt": "q", "chosen": "good", "rejected": "bad"},
        evalFraction=0,
    )

    assert loaded.train[2].columns() == {"prompt": "Why?", "chosen": "a 2", "rejected": "b"}


@pytest.mark.fault(18)
@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"", "pairs.jsonl", ["pairs.jsonl is empty"]),
        (b"\n\n", "pairs.jsonl", ["pairs.jsonl holds no rows"]),
        (b"[]", "pairs.json", ["pairs.json holds no rows"]),
        (b" \n ", "pairs.json", ["pairs.json holds no rows"]),
        (b"prompt,chosen,rejected\n", "pairs.csv", ["pairs.csv holds no rows"]),
        (b"not json\n", "pairs.jsonl", ["pairs.jsonl line 1", "not JSON"]),
        (b"<html>", "pairs.json", ["pairs.json is neither", "JSON lines"]),
        (b"PAR1", "pairs.parquet", ["pairs.parquet cannot be read as Parquet"]),
        (b"{}", "pairs.jsonl.gz", ["pairs.jsonl.gz is not whole gzip data"]),
        (
            gzip.compress(b'{"a": 1}\n' * 99, mtime=0)[:-12],
            "pairs.jsonl.gz",
            ["not whole gzip data"],
        ),
        (b"\xff\xfe,x\n1,2\n", "pairs.csv", ["pairs.csv", "not CSV in UTF-8"]),
        (b"x", "pairs.txt", ["pairs.txt is of no known form", ".jsonl", ".parquet"]),
        (
            b'{"question": "q", "better": "a", "worse": "b"}\n',
            "pairs.jsonl",
            ["the columns better, question, worse", "no known shape", "dataset.columns"],
        ),
        (
            b'{"chosen": "a", "bad": "b"}\n',
            "pairs.jsonl",
            ["no column 'rejected'", "bad, chosen", "dataset.columns.rejected"],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_file_that_cannot_be_used_is_refused_by_name(
    tmp_path: Path, content: bytes, name: str, says: list[str]
) -> None:
    """The message names the file, what is wrong with it, and the field to change."""
    (tmp_path / name).write_bytes(content)

    with pytest.raises(DataRefused) as refusal:
        load(tmp_path, f"file://{name}")

    for part in says:
        assert part in str(refusal.value)


@pytest.mark.parametrize(
    ("dataset", "says"),
    [
        ({"uri": "file://nowhere"}, ["nowhere does not exist", "dataset.uri"]),
        (
            {"uri": "file://set", "split": "extra"},
            ["the split extra", "train.jsonl", "dataset.split"],
        ),
        ({"uri": "file://empty"}, ["it has no .jsonl", "dataset.uri"]),
        ({"uri": "file://set/train.jsonl", "evalSplit": "test"}, ["dataset.evalSplit", "folder"]),
        (
            {"uri": "file://set", "columns": {"prompt": "question"}},
            ["no column 'question'", "dataset.columns.prompt"],
        ),
    ],
)
def test_missing_places_splits_and_columns_are_named(
    tmp_path: Path, dataset: dict[str, Any], says: list[str]
) -> None:
    """The message names what is missing and the field that says where to look."""
    write_rows(tmp_path / "set" / "train.jsonl", text_rows(8))
    (tmp_path / "empty").mkdir()

    with pytest.raises(DataRefused) as refusal:
        load(tmp_path, **dataset)

    for part in says:
        assert part in str(refusal.value)


def test_hh_dialogues_need_no_conversion(tmp_path: Path) -> None:
    """Chosen and rejected that hold a whole `Human:`/`Assistant:` dialogue become messages."""
    start = "\n\nHuman: Hello\n\nAssistant: Hi.\n\nHuman: Why?\n\nAssistant:"
    rows = [
        {"chosen": f"{start} Because {n}.", "rejected": f"{start} No idea {n}."} for n in range(5)
    ]
    write_rows(tmp_path / "hh.jsonl.gz", rows)

    loaded = load(tmp_path, "file://hh.jsonl.gz", evalFraction=0)

    assert loaded.train[0].columns() == {
        "prompt": [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": "Why?"},
        ],
        "chosen": [{"role": "assistant", "content": "Because 0."}],
        "rejected": [{"role": "assistant", "content": "No idea 0."}],
    }


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows.csv", "rows.parquet.gz"])
def test_a_large_file_takes_little_memory(tmp_path: Path, name: str) -> None:
    """Measured: what Python holds at most while 16 MiB pass by."""
    texts = [f"{number}" * 20_000 for number in range(10, 90)]
    rows = [{"prompt": text[:9], "chosen": text * 3, "rejected": text * 2} for text in texts]
    path = write_rows(tmp_path / name, rows)
    del rows, texts

    tracemalloc.start()
    try:
        count = sum(1 for row in read_rows(path, name, tmp_path) if row.problem is None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert count == 80
    # A batch of Parquet's holds all of these rows, in Arrow's memory and once in ours.
    assert peak < (40 << 20 if "parquet" in name else 8 << 20)


@pytest.mark.parametrize(
    "name", ["rows.json", "rows.jsonl", "one-line.json", "around.json", "rows.csv"]
)
def test_a_row_that_does_not_end_is_not_taken_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A file without line ends, or with a quote that is never closed."""
    for module in (json_rows, table_rows):
        monkeypatch.setattr(module, "ROW_CHARACTERS", 1 << 20)
    monkeypatch.setattr(json_text, "_CHUNK_BYTES", 1 << 16)
    good = [json.dumps(row) for row in text_rows(3)]
    long = '{"prompt": "' + "x" * (3 << 20) + '"}'
    text = {
        "rows.json": f"[{good[0]}, {long}]",
        "rows.jsonl": "\n".join([good[0], long, good[1]]),
        "one-line.json": f"{long}\n{good[0]}",
        "around.json": '{"data": [' + f"{good[0]}, {long}]}}",
        "rows.csv": 'prompt,chosen,rejected\n"' + "x" * (3 << 20),
    }[name]
    (tmp_path / name).write_text(text)

    if name == "rows.jsonl":
        found = list(read_rows(tmp_path / name, name, tmp_path))
        assert [row.problem is None for row in found] == [True, False, True]
        assert "longer than" in str(found[1].problem)
        return
    with pytest.raises(DataRefused, match=f"{name}.*(more|longer) than"):
        list(read_rows(tmp_path / name, name, tmp_path))


@pytest.mark.parametrize("letter", ["x", "ä"])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "around.json"])
def test_a_row_is_too_long_at_the_same_length_in_every_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, letter: str
) -> None:
    """In bytes, and however much of the file was read at once."""
    monkeypatch.setattr(json_rows, "ROW_CHARACTERS", 1 << 20)
    frame = len('{"prompt": ""}')
    for size, fits in (((1 << 20) - 2 - frame, True), ((1 << 20) + 2 - frame, False)):
        content = letter * (size // len(letter.encode()))
        row = json.dumps({"prompt": content}, ensure_ascii=False)
        whole = {"rows.jsonl": f"{row}\n", "rows.json": f"[{row}, {{}}]"}
        (tmp_path / name).write_text(whole.get(name, f'{{"n": 1, "data": [{row}]}}'))
        try:
            problem = next(iter(read_rows(tmp_path / name, name, tmp_path))).problem
        except DataRefused as error:
            problem = str(error)
        if fits:
            assert problem is None
        else:
            assert "er than" in str(problem) or "value of more than 1 MiB" in str(problem)


def test_the_form_is_told_from_names_in_capitals_too(tmp_path: Path) -> None:
    """They are read like others, and what is said of them is the same."""
    with gzip.open(tmp_path / "DATA.JSONL.GZ", "wt") as stream:
        stream.write("prompt,chosen,rejected\n")

    with pytest.raises(DataRefused, match=r"DATA\.JSONL\.GZ line 1: .* one JSON object a line"):
        load(tmp_path, "file://DATA.JSONL.GZ")


def test_a_full_disk_is_no_fault_of_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever knows the folders says which one is full."""
    path = write_rows(tmp_path / "rows.parquet.gz", text_rows(3))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        list(read_rows(path, path.name, tmp_path))


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    """A folder in place of a file fails like one without permission does."""
    (tmp_path / "rows.jsonl").mkdir()
    (tmp_path / "rows.jsonl" / "x").touch()

    with pytest.raises(DataRefused, match=r"rows\.jsonl cannot be read: Is a directory"):
        list(read_rows(tmp_path / "rows.jsonl", "rows.jsonl", tmp_path))
