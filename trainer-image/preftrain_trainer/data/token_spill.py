"""Token ids on disk: four bytes each there, where a Python number and its place take 36."""

from array import array
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from preftrain_trainer.data.scratch_file import ScratchFile

Ids = tuple[int, ...]

_TYPE: Final = "I"
_ID_BYTES: Final = array(_TYPE).itemsize


class TokenSpill:
    """Keeps examples in token ids, each of the same number of parts.

    Args:
        folder: where the file lies; None for the system's folder for such files.
        parts: of an example: prompt and answers.
    """

    def __init__(self, folder: Path | None, parts: int) -> None:
        self._file = ScratchFile(folder, "the tokens of the examples")
        self._parts = parts
        self._ends = array("Q", [0])
        """Of every part of every example, in ids."""

    def __len__(self) -> int:
        return (len(self._ends) - 1) // self._parts

    def append(self, parts: Sequence[Sequence[int]]) -> None:
        """Keep one example.

        Raises:
            ObjectStoreUnavailable: the file cannot be written.
        """
        for ids in parts:
            self._file.append(array(_TYPE, ids).tobytes())
            self._ends.append(self._ends[-1] + len(ids))

    def read(self, position: int) -> list[Ids]:
        """The parts of one example."""
        first = position * self._parts
        ends = self._ends[first : first + self._parts + 1]
        ids = array(_TYPE)
        ids.frombytes(self._file.read(ends[0] * _ID_BYTES, ends[-1] * _ID_BYTES))
        start = ends[0]
        return [tuple(ids[one - start : other - start]) for one, other in pairwise(ends)]
