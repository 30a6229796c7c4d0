"""Which held-out prompts are answered for the report, and what an answered one looks like.

Pure but for the writing. A sample holds text of the data set; `evaluation.samples: 0` keeps it
out of the report.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from preftrain_trainer.data.pairs import Example, PreferencePair, Text

SAMPLES: Final = "samples.jsonl"

Ending = Literal["EndMark", "Length", "Time"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One greedy answer."""

    text: str
    tokens: int
    """Tokens without the end mark."""
    ending: Ending
    """Why it ends: the model ended it, it reached the longest length, or the time was up."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A held-out prompt, answered by the base model and by the same model with the adapter."""

    row: int
    """Number of the row in the source, from 1."""
    prompt: Text
    chosen: Text | None
    """The preferred answer of the data set; None where it has labels in place of pairs."""
    base: Answer
    adapter: Answer


def choose(lengths: Mapping[int, int], count: int, seed: int) -> list[int]:
    """Choose `count` of the prompts: the longest, the shortest, and others by a hash of the seed.

    Args:
        lengths: tokens of each prompt, by its position; one entry for each distinct prompt.
        count: how many.
        seed: the run's.

    Returns:
        Positions in the order in which they are shown; fewer when there are fewer prompts.
    """
    by_length = sorted(lengths, key=lambda position: (lengths[position], position))
    mixed = sorted(
        lengths,
        key=lambda position: hashlib.sha256(f"{seed}\n{position}".encode()).digest(),
    )
    wanted = [*by_length[-1:], *by_length[:1], *mixed]
    return list(dict.fromkeys(wanted))[:count]


def distinct_prompts(examples: Sequence[Example]) -> list[Example]:
    """The first example of every prompt, in order."""
    first: dict[str, Example] = {}
    for example in examples:
        key = json.dumps(example.prompt, sort_keys=True)
        first.setdefault(key, example)
    return list(first.values())


def preferred(example: Example) -> Text | None:
    """The preferred answer to the example's prompt, where the data have one."""
    return example.chosen if isinstance(example, PreferencePair) else None


def write_samples(path: Path, samples: Iterable[Sample]) -> None:
    """Write one line of JSON a sample."""
    path.write_text(
        "".join(f"{json.dumps(asdict(sample), ensure_ascii=False)}\n" for sample in samples),
        encoding="utf-8",
    )
