"""Models and data in a folder: a mounted volume, or a path on a workstation."""

import hashlib
from collections.abc import Sequence
from io import BufferedReader
from pathlib import Path
from typing import Final

from preftrain_trainer.places.ref import PlaceRef
from preftrain_trainer.places.source import SourceFile

_SAMPLES: Final = 64
_SAMPLE_BYTES: Final = 64 * 1024


class FolderSource:
    """Implements `source.Source` for a local path, a folder or a single file."""

    commit = None

    def __init__(self, place: PlaceRef, path: Path) -> None:
        self._place = place
        self._path = path

    @property
    def is_single_file(self) -> bool:
        """Whether the path is a file."""
        return self._path.is_file()

    def files(self) -> Sequence[SourceFile]:
        """The files below the path, hidden ones left out."""
        try:
            if self._path.is_file():
                return (_describe(self._path, self._path.name),)
            if not self._path.is_dir():
                raise self._place.missing(
                    f"{self._path} does not exist; correct {self._place.field}.uri"
                )
            return tuple(
                _describe(path, self._name(path))
                for path in sorted(self._path.rglob("*"))
                if path.is_file()
                and not any(part.startswith(".") for part in path.relative_to(self._path).parts)
            )
        except OSError as error:
            raise self._place.forbidden(
                f"{error.filename}: {error.strerror}; make it readable for this user"
            ) from error

    def _name(self, path: Path) -> str:
        name = path.relative_to(self._path).as_posix()
        try:
            name.encode()
        except UnicodeEncodeError:
            raise self._place.forbidden(
                f"the name of the file {name!r} is not UTF-8; rename it"
            ) from None
        return name

    def fetch(self, files: Sequence[SourceFile]) -> Path:
        """The folder itself: nothing is copied."""
        del files
        return self._path.parent if self._path.is_file() else self._path


def _describe(path: Path, name: str) -> SourceFile:
    size = path.stat().st_size
    with path.open("rb") as stream:
        return SourceFile(name, size, _sampled_digest(stream, size))


def _sampled_digest(stream: BufferedReader, size: int) -> str:
    """Digest of the content, of evenly spaced blocks when it is larger than 4 MiB.

    Training touches every tensor, so other weights differ in every block; reading tens of
    gigabytes from a volume would take longer than preparing may.
    """
    if size <= _SAMPLES * _SAMPLE_BYTES:
        return hashlib.file_digest(stream, "sha256").hexdigest()
    digest = hashlib.sha256()
    for index in range(_SAMPLES):
        stream.seek(index * (size - _SAMPLE_BYTES) // (_SAMPLES - 1))
        digest.update(stream.read(_SAMPLE_BYTES))
    return f"sampled-{digest.hexdigest()}"
