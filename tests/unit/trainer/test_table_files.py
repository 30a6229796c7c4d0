"""CSV and Parquet files: columns, separators and cells."""

import sys
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from preftrain_trainer.data.pairs import LoadedData
from preftrain_trainer.data.rows import read_rows
from preftrain_trainer.errors import DataRefused
from support.trainer_cases import load_data, run_spec


def load(tmp_path: Path, uri: str, **dataset: Any) -> LoadedData:
    run = run_spec(tmp_path, dataset={"uri": uri, **dataset})
    return load_data(run, tmp_path)


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
