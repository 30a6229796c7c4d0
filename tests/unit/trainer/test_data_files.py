"""Data files: every form that can be read, and what is said about those that cannot."""

import errno
import gzip
import json
import shutil
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
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


def test_json_lines_under_the_name_json_are_read(tmp_path: Path) -> None:
    """Many published `.json` files hold one object a line."""
    lines = "".join(f"{json.dumps(row)}\n" for row in text_rows(5))
    (tmp_path / "pairs.json").write_text(lines)

    assert load(tmp_path, "file://pairs.json").tally.rows == 5


def test_an_object_around_the_list_is_looked_into(tmp_path: Path) -> None:
    """`{"data": [...]}` is a list of rows too."""
    (tmp_path / "pairs.json").write_text(json.dumps({"version": 1, "data": text_rows(5)}))

    assert load(tmp_path, "file://pairs.json").tally.rows == 5


def test_a_byte_order_mark_is_no_part_of_the_data(tmp_path: Path) -> None:
    """Files written by spreadsheet programs begin with one."""
    write_rows(tmp_path / "plain.csv", text_rows(5))
    (tmp_path / "marked.csv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "plain.csv").read_bytes())

    assert load(tmp_path, "file://marked.csv").digest == load(tmp_path, "file://plain.csv").digest


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


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[{}", "cut off in the middle after row 1"),
        ('[{"a": "b', "cut off in the middle"),
        ("[{} {}]", "']' expected, not '{' after row 1"),
        ("[{}] x", "more text after the end after row 1"),
        ("[{}, 0}]", "']' expected"),
        ("[{},]", "Expecting value"),
        ("[{}, x, {}, {}, {}, {}, {}, {}]", "Expecting value after row 1"),
        ('{"a": 1, 2: 3}', "Expecting|a key that is no text"),
        ('{"a" 1}', "':' expected"),
        ("7", "'{' expected"),
        ("[" * 9000, "nested too deeply"),
        ("[" + "1" * 5000 + "]", "digits"),
    ],
)
def test_a_json_document_that_is_none_is_refused_with_its_place(
    tmp_path: Path, content: str, says: str
) -> None:
    """What is wrong, and after which row."""
    (tmp_path / "rows.json").write_text(content)

    with pytest.raises(DataRefused, match=f"rows.json is neither .*{says}"):
        list(read_rows(tmp_path / "rows.json", "rows.json", tmp_path))


def test_a_document_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """The way out is in the sentence."""
    for text in ('[{"a": 1}]', '{"a": 1}'):
        (tmp_path / "rows.json").write_bytes(text.encode("utf-16"))
        with pytest.raises(DataRefused, match="save it as UTF-8"):
            list(read_rows(tmp_path / "rows.json", "rows.json", tmp_path))


def test_one_object_alone_is_one_row(tmp_path: Path) -> None:
    """Also when it holds a list of objects, which are turns then."""
    turns = [{"role": "user", "content": "a"}]
    for row in (text_rows(1)[0], {"chosen": turns, "n": [1], "none": []}, {}):
        (tmp_path / "one.json").write_text(json.dumps(row, indent=2))
        assert [row.values for row in read_rows(tmp_path / "one.json", "one.json", tmp_path)] == [
            row
        ]


def test_what_stands_around_a_list_of_rows_is_passed_over(tmp_path: Path) -> None:
    """Values of any kind, before it and behind it."""
    around = {"n": 1, "tags": ["a"], "none": [], "rows": [{"a": 1}, {"a": 2}], "by": {"x": [{}]}}
    (tmp_path / "set.json").write_text(json.dumps(around))

    found = list(read_rows(tmp_path / "set.json", "set.json", tmp_path))

    assert [(row.where, row.values) for row in found] == [
        ("set.json row 1", {"a": 1}),
        ("set.json row 2", {"a": 2}),
    ]


def test_entries_of_a_list_that_are_no_objects_are_malformed_rows(tmp_path: Path) -> None:
    """The others are read."""
    (tmp_path / "rows.json").write_text('[{"a": 1}, 12, "x", [], null]')

    found = list(read_rows(tmp_path / "rows.json", "rows.json", tmp_path))

    assert [row.problem for row in found] == [None, *["not a JSON object"] * 4]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
def test_a_key_that_occurs_twice_is_a_malformed_row(tmp_path: Path, name: str) -> None:
    """Which of the two answers is meant, nobody knows."""
    rows = ['{"chosen": "a", "chosen": "b"}', '{"chosen": [{"role": "x", "role": "y"}]}', "{}"]
    text = "\n".join(rows) if name == "rows.jsonl" else f"[{', '.join(rows)}]"
    (tmp_path / name).write_text(text)

    found = list(read_rows(tmp_path / name, name, tmp_path))

    assert [row.problem for row in found] == [
        "has the key 'chosen' twice",
        "has the key 'role' twice",
        None,
    ]


def test_a_column_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    """In a header, and in the schema of a Parquet file."""
    (tmp_path / "rows.csv").write_text("chosen,chosen,rejected\na,b,c\n")
    schema = pyarrow.schema([("chosen", pyarrow.string()), ("chosen", pyarrow.string())])
    table = pyarrow.table([["a"], ["b"]], schema=schema)
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")

    for name in ("rows.csv", "rows.parquet"):
        with pytest.raises(DataRefused, match=f"{name} has the column 'chosen' twice; rename"):
            list(read_rows(tmp_path / name, name, tmp_path))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_is_told(tmp_path: Path, separator: str) -> None:
    """Spreadsheet programs write semicolons in half of the world."""
    (tmp_path / "rows.csv").write_text(separator.join(("prompt", "chosen", "rejected")) + "\n")

    with pytest.raises(DataRefused, match="separate them by commas"):
        list(read_rows(tmp_path / "rows.csv", "rows.csv", tmp_path))


def test_one_column_alone_is_no_wrong_separator(tmp_path: Path) -> None:
    """HH's chosen alone would be refused for its columns, later."""
    (tmp_path / "rows.csv").write_text("chosen\na\n\nb\n")

    found = list(read_rows(tmp_path / "rows.csv", "rows.csv", tmp_path))

    assert [row.values for row in found] == [{"chosen": "a"}, {"chosen": "b"}]


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


def test_json_lines_under_the_name_json_keep_their_numbers(tmp_path: Path) -> None:
    """They are read line by line."""
    lines = [json.dumps(row) for row in text_rows(300)]
    lines[200] = "{"
    (tmp_path / "rows.json").write_text("\n" + "\n".join(lines))

    loaded = load_data(run_spec(tmp_path, dataset={"uri": "file://rows.json"}), tmp_path)

    assert loaded.tally.rows == 300
    assert "rows.json line 202: not JSON" in loaded.tally.dropped["malformed"].examples[0]


def test_more_text_behind_an_object_is_no_row(tmp_path: Path) -> None:
    """Two objects in one line."""
    (tmp_path / "rows.jsonl").write_text('{"a": 1} {"a": 2}\n\xa0\n')

    found = list(read_rows(tmp_path / "rows.jsonl", "rows.jsonl", tmp_path))

    assert "more text after the value, at column 9" in str(found[0].problem)


def test_a_number_of_thousands_of_digits_is_a_malformed_row(tmp_path: Path) -> None:
    """Python refuses to read it; the row is counted and the others are read."""
    lines = [json.dumps(row) for row in text_rows(200)]
    (tmp_path / "data.jsonl").write_text("\n".join([*lines, '{"prompt": ' + "1" * 5000 + "}"]))

    loaded = load_data(run_spec(tmp_path), tmp_path)

    assert loaded.tally.dropped["malformed"].rows == 1


def test_times_beside_the_texts_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also inside of other values: those of nanoseconds need a library that prepare has not."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    times = pyarrow.array([1], pyarrow.timestamp("ns"))
    columns = {
        "text": ["a"],
        "at": times,
        "about": pyarrow.StructArray.from_arrays([times], ["at"]),
        "turns": [[{"role": "user", "content": "q"}]],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "rows.parquet")

    (row,) = read_rows(tmp_path / "rows.parquet", "rows.parquet", tmp_path)

    assert row.values == {"text": "a", "turns": [{"role": "user", "content": "q"}]}


def test_text_in_parquet_that_is_none_is_refused(tmp_path: Path) -> None:
    """Written by a program that checks nothing."""
    buffers = [None, pyarrow.py_buffer(b"\0\0\0\0\1\0\0\0"), pyarrow.py_buffer(b"\xff")]
    wrong = pyarrow.Array.from_buffers(pyarrow.string(), 1, buffers)
    pyarrow.parquet.write_table(pyarrow.table({"text": wrong}), tmp_path / "rows.parquet")

    with pytest.raises(DataRefused, match=r"rows\.parquet cannot be read as Parquet .*utf-8"):
        list(read_rows(tmp_path / "rows.parquet", "rows.parquet", tmp_path))


def test_columns_without_a_name_are_no_doubled_columns(tmp_path: Path) -> None:
    """Spreadsheet programs leave them at the end."""
    (tmp_path / "rows.csv").write_text("chosen,rejected,,\na,b,,\n")

    (row,) = read_rows(tmp_path / "rows.csv", "rows.csv", tmp_path)

    assert (row.values["chosen"], row.values["rejected"]) == ("a", "b")
