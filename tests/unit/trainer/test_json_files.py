"""JSON files: lines and documents, and what is said about those that are neither."""

import json
from pathlib import Path
from typing import Any

import pytest

from preftrain_trainer.data import json_rows
from preftrain_trainer.data.pairs import LoadedData
from preftrain_trainer.data.rows import read_rows
from preftrain_trainer.errors import DataRefused
from support.trainer_cases import load_data, run_spec, text_rows, write_rows


def load(tmp_path: Path, uri: str, **dataset: Any) -> LoadedData:
    run = run_spec(tmp_path, dataset={"uri": uri, **dataset})
    return load_data(run, tmp_path)


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


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
def test_keys_that_occur_twice_are_told_from_a_wrong_form(tmp_path: Path, name: str) -> None:
    """The file is what its name says; one of the values has to go."""
    row = '{"prompt": "a", "chosen": "b", "chosen": "c"}'
    (tmp_path / name).write_text(row if name == "rows.jsonl" else f"[{row}]")

    with pytest.raises(DataRefused, match="has the key 'chosen' twice") as refusal:
        load(tmp_path, f"file://{name}")

    assert str(refusal.value).endswith("can be read; keep one of the two")


@pytest.mark.parametrize("second", ['[{"a": 2}]', "3", '["x"]', "[]"])
def test_rows_under_a_key_that_occurs_twice_are_refused(tmp_path: Path, second: str) -> None:
    """Whether they are more rows or the same ones, nobody knows."""
    (tmp_path / "set.json").write_text(f'{{"data": [{{"a": 1}}], "n": 1, "data": {second}}}')

    with pytest.raises(DataRefused, match=r"set\.json .* under the key 'data', and that key twice"):
        list(read_rows(tmp_path / "set.json", "set.json", tmp_path))


def test_columns_in_one_long_object_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pandas writes by default: each column fits, all of them together do not."""
    monkeypatch.setattr(json_rows, "ROW_CHARACTERS", 1 << 20)
    column = {str(number): "x" * 1000 for number in range(500)}
    table = dict.fromkeys(("prompt", "chosen", "rejected"), column)
    (tmp_path / "set.json").write_text(json.dumps(table))

    with pytest.raises(DataRefused, match=r"set\.json is one object .* orient='records'"):
        list(read_rows(tmp_path / "set.json", "set.json", tmp_path))


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
