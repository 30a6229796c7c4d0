"""Examples on disk, so that a set of any size is read in bounded memory.

Each is one line of canonical JSON, the same line that the digest is made of, in a file without
a name: it is gone when the process is. In memory stays what tells examples apart, 51 bytes
each.
"""

import hashlib
import json
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast, overload

import numpy as np
from numpy.typing import NDArray

from preftrain_trainer.data.pairs import Example, LabelledAnswer, PreferencePair, Text
from preftrain_trainer.data.scratch_file import ScratchFile

KEY_BYTES: Final = 16
"""Of a SHA-256 or BLAKE2b; among a billion examples two collide with probability 1e-21."""

Positions = NDArray[np.int64]

_encoder: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces, in UTF-8."""
    return _encoder.encode(value).encode()


def prompt_key(prompt: bytes, seed: int) -> bytes:
    """Stands for a canonical prompt; in the order of these keys prompts are held out."""
    return hashlib.sha256(b"%d\n" % seed + prompt).digest()[:KEY_BYTES]


class Spill:
    """Takes examples one by one and keeps them on disk.

    Attributes:
        rows: number of each example's row.
        prompts: 16 bytes each, equal for equal prompts; depend on the seed.
        subjects: 16 bytes each, equal where the same answers to the same prompt are judged.
        sides: how they are judged: which of the two answers is chosen, or the label.
        talks: 1 for conversations, 0 for plain text.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._file = ScratchFile(folder, "the rows of dataset.uri")
        self._seed = seed
        self._ends = array("Q", [0])
        self.rows = array("Q")
        self.prompts = bytearray()
        self.subjects = bytearray()
        self.sides = bytearray()
        self.talks = bytearray()

    def __len__(self) -> int:
        return len(self.rows)

    def append(self, example: Example) -> None:
        """Keep one example.

        Raises:
            ObjectStoreUnavailable: the disk is full.
        """
        prompt = canonical(example.prompt)
        if isinstance(example, PreferencePair):
            chosen, rejected = canonical(example.chosen), canonical(example.rejected)
            line = b'{"chosen":%b,"prompt":%b,"rejected":%b}\n' % (chosen, prompt, rejected)
            judged, side = sorted((chosen, rejected)), chosen < rejected
        else:
            answer, side = canonical(example.answer), example.desirable
            label = canonical(side)
            line = b'{"completion":%b,"label":%b,"prompt":%b}\n' % (answer, label, prompt)
            judged = [answer]
        self._file.append(line)
        self._ends.append(self._ends[-1] + len(line))
        self.rows.append(example.row)
        self.prompts += prompt_key(prompt, self._seed)
        # JSON holds no line break, so that no two lists of parts look alike.
        subject = hashlib.blake2b(b"\n".join((prompt, *judged)), digest_size=KEY_BYTES)
        self.subjects += subject.digest()
        self.sides.append(side)
        self.talks.append(example.is_conversational)

    def line(self, position: int) -> bytes:
        """The canonical line of an example, with its end."""
        return self._file.read(self._ends[position], self._ends[position + 1])

    def example(self, position: int) -> Example:
        """The example at a position."""
        return _example(self.rows[position], json.loads(self.line(position)))


class SpilledExamples(Sequence[Example]):
    """Some examples of a spill, in order; each is read from disk when it is asked for."""

    def __init__(self, spill: Spill, positions: Positions) -> None:
        self._spill = spill
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> "SpilledExamples": ...
    def __getitem__(self, index: int | slice) -> "Example | SpilledExamples":
        if isinstance(index, slice):
            return SpilledExamples(self._spill, self._positions[index])
        return self._spill.example(int(self._positions[index]))

    def __iter__(self) -> Iterator[Example]:
        return map(self._spill.example, self._positions.tolist())

    def lines(self) -> Iterator[bytes]:
        """The canonical lines, with their ends."""
        return map(self._spill.line, self._positions.tolist())


def _example(row: int, columns: dict[str, Any]) -> Example:
    texts = {
        name: cast("Text", tuple(value) if isinstance(value, list) else value)
        for name, value in columns.items()
        if name != "label"
    }
    if "label" in columns:
        return LabelledAnswer(row, texts["prompt"], texts["completion"], columns["label"])
    return PreferencePair(row, texts["prompt"], texts["chosen"], texts["rejected"])
