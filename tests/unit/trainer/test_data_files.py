"""Data files: every form that can be read, and what is said about those that cannot."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from preftrain_trainer.data import rows
from preftrain_trainer.data.pairs import LoadedData
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
        (b"prompt,chosen,rejected\n", "pairs.csv", ["pairs.csv holds no rows"]),
        (b"not json\n", "pairs.jsonl", ["pairs.jsonl line 1", "not JSON"]),
        (b"<html>", "pairs.json", ["pairs.json is neither", "JSON lines"]),
        (b"PAR1", "pairs.parquet", ["pairs.parquet is not a Parquet file"]),
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


@pytest.mark.parametrize("name", ["rows.json", "rows.parquet.gz"])
def test_forms_that_are_read_whole_have_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The refusal says which form has none."""
    monkeypatch.setattr(rows, "WHOLE_BYTES", 1000)
    write_rows(tmp_path / name, text_rows(100))

    with pytest.raises(DataRefused, match=rf"{name} is larger than .*(JSON lines|leave out .gz)"):
        load_data(run_spec(tmp_path, dataset={"uri": f"file://{name}"}), tmp_path)


def test_json_lines_have_no_limit_under_the_name_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read line by line, with the numbers of their lines."""
    monkeypatch.setattr(rows, "WHOLE_BYTES", 1000)
    lines = [json.dumps(row) for row in text_rows(300)]
    lines[200] = "{"
    (tmp_path / "rows.json").write_text("\n" + "\n".join(lines))

    loaded = load_data(run_spec(tmp_path, dataset={"uri": "file://rows.json"}), tmp_path)

    assert loaded.tally.rows == 300
    assert "rows.json line 202: not JSON" in loaded.tally.dropped["malformed"].examples[0]


def test_a_number_of_thousands_of_digits_is_a_malformed_row(tmp_path: Path) -> None:
    """Python refuses to read it; the row is counted and the others are read."""
    lines = [json.dumps(row) for row in text_rows(200)]
    (tmp_path / "data.jsonl").write_text("\n".join([*lines, '{"prompt": ' + "1" * 5000 + "}"]))

    loaded = load_data(run_spec(tmp_path), tmp_path)

    assert loaded.tally.dropped["malformed"].rows == 1
