"""Reads rows out of data files: JSON lines, JSON, CSV and Parquet, each also gzipped.

A row that cannot be read is data, not an exception, so that it can be counted; only a file
that cannot be read at all raises. Rows are read one after the other, whatever the form.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from preftrain_trainer.data.json_rows import json_document, json_lines
from preftrain_trainer.data.row import Row
from preftrain_trainer.data.table_rows import csv_rows, parquet_rows
from preftrain_trainer.disk import FULL
from preftrain_trainer.errors import DataRefused

_GZIP: Final = b"\x1f\x8b"
_POINTER: Final = b"version https://git-lfs"


def read_rows(path: Path, name: str, scratch: Path) -> Iterator[Row]:
    """The rows of one file in order; `name` is what errors call it, and `scratch` a folder for
    what has to be unpacked.

    Raises:
        DataRefused: the file is empty, damaged, or not of the form that its name says.
    """
    count = 0
    try:
        if path.stat().st_size == 0:
            raise DataRefused(f"{name} is empty; the upload may have been cut off")
        _require_content(path, name)
        with _opened(path, name) as stream:
            for row in _rows(stream, name, scratch):
                count += 1
                yield row
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        way_out = "upload it again"
        if not _is_gzip(path):
            way_out = f"take .gz out of its name if it is not packed, or {way_out}"
        raise DataRefused(f"{name} is not whole gzip data ({error}); {way_out}") from error
    except OSError as error:
        if error.errno in FULL:
            raise  # whoever knows the folders says which disk is full
        raise DataRefused(f"{name} cannot be read: {error.strerror or error}") from error
    if not count:
        raise DataRefused(f"{name} holds no rows; check how it was written")


def _require_content(path: Path, name: str) -> None:
    with path.open("rb") as stream:
        if stream.read(len(_POINTER)) == _POINTER:
            raise DataRefused(
                f"{name} is a pointer of Git LFS and not the file that it stands for; fetch that "
                "with `git lfs pull`"
            )


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_GZIP)) == _GZIP


def _opened(path: Path, name: str) -> IO[bytes]:
    if name.lower().endswith(".gz"):
        return io.BufferedReader(gzip.open(path, "rb"))
    return path.open("rb")


def _rows(stream: IO[bytes], name: str, scratch: Path) -> Iterator[Row]:
    match Path(name.lower().removesuffix(".gz")).suffix:
        case ".parquet":
            return parquet_rows(stream, name, scratch)
        case ".csv":
            return csv_rows(stream, name)
        case ".json":
            return json_document(stream, name)
        case _:
            return json_lines(stream, name)
