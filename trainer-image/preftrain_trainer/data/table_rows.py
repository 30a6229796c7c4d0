"""Rows out of CSV and Parquet."""

import csv
import gzip
import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

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
                yield Row(
                    where,
                    {},
                    "more fields than the header has columns",
                    "put fields that hold commas in double quotes, and check the header",
                )
            else:
                yield Row(where, dict(row))
    except UnicodeDecodeError as error:
        # Read ahead in pieces, so the line itself is not known.
        raise DataRefused(
            f"{name} is not CSV in UTF-8: line {reader.line_num + 1} or one soon after it is not "
            f"UTF-8 ({error.reason}); save it as UTF-8"
        ) from error
    except csv.Error as error:
        raise DataRefused(
            f"{name} line {reader.line_num + 1} is not CSV ({error}); check how it was written"
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
    # Spreadsheet programs leave columns without a name.
    doubled = next((name for name in columns if name and columns.count(name) > 1), None)
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

    number = 0
    with tempfile.TemporaryFile(dir=scratch) as unpacked:
        if isinstance(stream.raw, gzip.GzipFile):  # type: ignore[attr-defined]
            shutil.copyfileobj(stream, unpacked, _PARQUET_BUFFER_BYTES)
            unpacked.seek(0)
            stream = unpacked
        try:
            table = parquet.ParquetFile(stream, buffer_size=_PARQUET_BUFFER_BYTES, pre_buffer=False)
            schema = table.schema_arrow
            _require_distinct(schema.names, name)
            columns = [field.name for field in schema if not _holds_times(field.type)]
            for batch in table.iter_batches(batch_size=_PARQUET_ROWS, columns=columns):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{name} row {number}", values)
        except (pyarrow.ArrowException, ValueError) as error:
            after = f" after row {number}" if number else ""
            raise DataRefused(
                f"{name} cannot be read as Parquet{after} ({error}); check how it was written"
            ) from error


def _holds_times(kind: Any) -> bool:
    """Whether values of a type are times, or hold some: of no use here, and those of nanoseconds
    become Python's only with a further library.
    """
    from pyarrow import types

    return types.is_temporal(kind) or any(
        _holds_times(kind.field(index).type) for index in range(kind.num_fields)
    )
