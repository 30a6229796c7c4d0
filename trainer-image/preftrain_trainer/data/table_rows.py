"""Rows out of CSV and Parquet."""

import csv
import gzip
import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from preftrain_trainer.data.row import ROW_CHARACTERS, TOO_LONG, Row
from preftrain_trainer.errors import DataRefused

_PARQUET_ROWS: Final = 256
_PARQUET_BUFFER_BYTES: Final = 1 << 20
"""Read a column in pieces: row groups may be larger than memory."""
_OTHER_SEPARATORS: Final = (";", "\t", "|")


def csv_rows(stream: IO[bytes], name: str) -> Iterator[Row]:
    """The rows below a header, separated by commas, in UTF-8.

    Raises:
        DataRefused: it is no such file.
    """
    csv.field_size_limit(ROW_CHARACTERS)
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    reader = csv.DictReader(_lines(text), strict=True)
    try:
        _require_header(reader.fieldnames or (), name)
        for number, row in enumerate(reader, start=1):
            where = f"{name} row {number}"
            if None in row:
                yield Row(where, {}, "more fields than the header has columns")
            else:
                yield Row(where, dict(row))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataRefused(
            f"{name} line {reader.line_num + 1} is not CSV in UTF-8 ({error}); check how it was "
            "written"
        ) from error
    finally:
        text.detach()  # the stream is the caller's to close


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(ROW_CHARACTERS):
        if len(line) == ROW_CHARACTERS:
            raise csv.Error(TOO_LONG)
        yield line


def _require_header(columns: Sequence[str], name: str) -> None:
    if len(columns) == 1:
        for separator in _OTHER_SEPARATORS:
            if separator in columns[0]:
                raise DataRefused(
                    f"{name} line 1: the columns are separated by {separator!r}; separate them by "
                    "commas"
                )
    _require_distinct(columns, name)


def _require_distinct(columns: Sequence[str], name: str) -> None:
    doubled = next((column for column in columns if columns.count(column) > 1), None)
    if doubled is not None:
        raise DataRefused(f"{name} has the column {doubled!r} twice; rename or remove one of them")


def parquet_rows(stream: IO[bytes], name: str, scratch: Path) -> Iterator[Row]:
    """The rows of a Parquet file; a gzipped one is unpacked to a nameless file in `scratch`,
    because its footer has to be read first.

    Raises:
        DataRefused: it is no such file.
    """
    import pyarrow
    from pyarrow import parquet

    with tempfile.TemporaryFile(dir=scratch) as unpacked:
        if isinstance(stream.raw, gzip.GzipFile):  # type: ignore[attr-defined]
            shutil.copyfileobj(stream, unpacked, _PARQUET_BUFFER_BYTES)
            unpacked.seek(0)
            stream = unpacked
        try:
            table = parquet.ParquetFile(stream, buffer_size=_PARQUET_BUFFER_BYTES, pre_buffer=False)
            _require_distinct(table.schema_arrow.names, name)
            number = 0
            for batch in table.iter_batches(batch_size=_PARQUET_ROWS):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{name} row {number}", values)
        except pyarrow.ArrowException as error:
            raise DataRefused(
                f"{name} is not a Parquet file ({error}); check how it was written"
            ) from error
