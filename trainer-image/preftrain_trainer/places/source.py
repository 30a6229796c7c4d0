"""The port to whatever models and data are read from.

A source first lists its files, so that the few that matter are chosen before anything large
is moved; then it brings those to a local folder.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source."""

    name: str
    """Path below the source, with slashes."""
    size: int
    """Bytes."""
    tag: str
    """Changes whenever the content does."""


class Source(Protocol):
    """A folder of files at some place."""

    @property
    def commit(self) -> str | None:
        """The hub commit that is read, or None where the place has no commits."""
        ...

    @property
    def is_single_file(self) -> bool:
        """Whether the uri named one file, so that there is no choice between files."""
        ...

    def files(self) -> Sequence[SourceFile]:
        """All files, by name.

        Raises:
            TrainerError: the place is missing, forbidden or out of reach.
        """
        ...

    def fetch(self, files: Sequence[SourceFile]) -> Path:
        """A local folder in which those files lie under their names.

        Raises:
            TrainerError: one of them cannot be read.
        """
        ...


def fingerprint(files: Iterable[SourceFile]) -> str:
    """`sha256:` over names, sizes and tags: stands for the commit where there is none."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        digest.update(f"{file.name}\0{file.size}\0{file.tag}\n".encode())
    return f"sha256:{digest.hexdigest()}"
