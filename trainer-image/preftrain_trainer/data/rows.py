"""Reads rows out of data files: JSON lines, JSON, CSV and Parquet, each also gzipped.

A row that cannot be read is data, not an exception, so that it can be counted; only a file
that cannot be read at all raises. Rows are read one after the other; only JSON documents and
gzipped Parquet are taken whole, up to a limit.
"""

import csv
import gzip
import io
import itertools
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from preftrain_trainer.errors import DataRefused

WHOLE_BYTES: Final = 1 << 30
"""Most that is read of a file whose form has to be read whole; in memory it takes several times
as much."""
_PARQUET_ROWS: Final = 256
_PARQUET_BUFFER_BYTES: Final = 1 << 20
"""Read a column in pieces: row groups may be larger than memory."""
_CSV_FIELD_BYTES: Final = 128 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Row:
    """One row, or the reason why there is none."""

    where: str
    """File and line (or row), for people."""
    values: dict[str, Any]
    problem: str | None = None
    """Set when the row could not be read; `values` is empty then."""


def read_rows(path: Path, name: str) -> Iterator[Row]:
    """The rows of one file in order; `name` is what errors call it.

    Raises:
        DataRefused: the file is empty, damaged, or not of the form that its name says.
    """
    form = Path(name.lower().removesuffix(".gz")).suffix
    count = 0
    try:
        if path.stat().st_size == 0:
            raise DataRefused(f"{name} is empty; the upload may have been cut off")
        with _opened(path, name) as stream:
            for row in _READERS[form](stream, name):
                count += 1
                yield row
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataRefused(f"{name} is not whole gzip data ({error}); upload it again") from error
    except OSError as error:
        raise DataRefused(f"{name} cannot be read: {error.strerror or error}") from error
    if not count:
        raise DataRefused(f"{name} holds no rows; check how it was written")


def _opened(path: Path, name: str) -> IO[bytes]:
    if name.lower().endswith(".gz"):
        return io.BufferedReader(gzip.open(path, "rb"))
    return path.open("rb")


def _json_lines(lines: Iterable[bytes], name: str, start: int = 1) -> Iterator[Row]:
    for number, line in enumerate(lines, start):
        text = line.removeprefix(_BOM).strip() if number == 1 else line.strip()
        if text:
            yield _json_row(text, f"{name} line {number}")


def _json_row(text: bytes, where: str) -> Row:
    try:
        value = json.loads(text)
    except UnicodeDecodeError as error:
        return Row(where, {}, f"not UTF-8 (byte {error.start + 1})")
    except json.JSONDecodeError as error:
        return Row(where, {}, f"not JSON ({error.msg} at column {error.colno})")
    except RecursionError:
        return Row(where, {}, "not JSON (nested too deeply)")
    except ValueError as error:
        return Row(where, {}, f"not JSON ({error})")  # a number of thousands of digits
    if not isinstance(value, dict):
        return Row(where, {}, "not a JSON object")
    return Row(where, value)


def _json_document(stream: IO[bytes], name: str) -> Iterator[Row]:
    """A list of objects, an object with one such list, or JSON lines under another name."""
    number, head = _first_line(stream)
    if head.lstrip().startswith(b"{") and _json_row(head, "").problem is None:
        further = iter(stream)
        second = next((line for line in further if line.strip()), None)
        if second is not None:
            yield from _json_lines(itertools.chain((head, second), further), name, number)
            return
    text = head + _whole(stream, name, "write JSON lines, one object a line")
    try:
        value = json.loads(text) if text.strip() else []
    except (ValueError, RecursionError) as error:
        raise DataRefused(
            f"{name} is neither a JSON list of objects nor JSON lines ({error}); check how it "
            "was written"
        ) from error
    if isinstance(value, dict):
        lists = [item for item in value.values() if _is_table(item)]
        value = lists[0] if len(lists) == 1 and "chosen" not in value else [value]
    if not isinstance(value, list):
        raise DataRefused(f"{name} holds no list of objects; write one object a row")
    for row, item in enumerate(value, start=1):
        where = f"{name} row {row}"
        yield Row(where, item) if isinstance(item, dict) else Row(where, {}, "not a JSON object")


def _first_line(stream: IO[bytes]) -> tuple[int, bytes]:
    """The first line that is not blank, and its number; cut at the limit for documents."""
    number = 0
    while line := stream.readline(WHOLE_BYTES):
        number += 1
        line = line.removeprefix(_BOM) if number == 1 else line
        if line.strip():
            return number, line
    return number, b""


def _whole(stream: IO[bytes], name: str, way_out: str) -> bytes:
    content = stream.read(WHOLE_BYTES + 1)
    if len(content) > WHOLE_BYTES:
        raise DataRefused(
            f"{name} is larger than {WHOLE_BYTES >> 20} MiB unpacked, and files of this form are "
            f"read whole; {way_out}"
        )
    return content


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _csv(stream: IO[bytes], name: str) -> Iterator[Row]:
    csv.field_size_limit(_CSV_FIELD_BYTES)
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    reader = csv.DictReader(text, strict=True)
    try:
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


def _parquet(stream: IO[bytes], name: str) -> Iterator[Row]:
    import pyarrow
    from pyarrow import parquet

    try:
        if isinstance(stream.raw, gzip.GzipFile):  # type: ignore[attr-defined]
            stream = io.BytesIO(_whole(stream, name, "leave out .gz, Parquet is packed already"))
        table = parquet.ParquetFile(stream, buffer_size=_PARQUET_BUFFER_BYTES, pre_buffer=False)
        number = 0
        for batch in table.iter_batches(batch_size=_PARQUET_ROWS):
            for values in batch.to_pylist():
                number += 1
                yield Row(f"{name} row {number}", values)
    except pyarrow.ArrowException as error:
        raise DataRefused(
            f"{name} is not a Parquet file ({error}); check how it was written"
        ) from error


_READERS: Final[dict[str, Callable[[IO[bytes], str], Iterator[Row]]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_document,
    ".csv": _csv,
    ".parquet": _parquet,
}
