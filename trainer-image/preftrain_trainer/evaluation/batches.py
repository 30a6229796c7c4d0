"""The held-out loss, over micro-batches like those of training. Pure.

Some losses compare the examples of a micro-batch with one another, so the held-out ones are cut
into micro-batches of the same size, in the order of the data. How they were batched for scoring
plays no part.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from preftrain_trainer.data.lazy import Lazy
from preftrain_trainer.methods.objective import Objective
from preftrain_trainer.methods.scores import UNKNOWN, LabelledScore, PairScore, Score
from preftrain_trainer.methods.table import Form
from preftrain_trainer.model.likelihood import Passage

Pairs = Sequence[tuple[Passage, Passage]]
Mismatch = Callable[[Pairs], Sequence[Score]]
"""Scores of the first passages' prompts with the second ones' answers."""


def mean_loss(batches: Sequence[Sequence[Any]], objective: Objective[Any]) -> float:
    """Mean over the micro-batches, the last one weighted by what it holds."""
    examples = sum(len(batch) for batch in batches)
    return sum(objective.loss(batch) * len(batch) for batch in batches) / examples


def pair_batches(
    _pairs: Pairs, scores: Sequence[PairScore], size: int, _: Mismatch | None
) -> list[Sequence[Any]]:
    """Micro-batches of pairs."""
    return list(_cut(scores, size))


def answer_batches(
    pairs: Pairs, scores: Sequence[PairScore], size: int, mismatch: Mismatch | None
) -> list[Sequence[Any]]:
    """Micro-batches of single answers, good and bad in turn, mismatched as in training: every
    prompt with the previous answer of its micro-batch.
    """
    # All of them need not fit into memory: each is read when it is scored.
    passages = Lazy(2 * len(pairs), lambda at: pairs[at // 2][at % 2])

    def mismatched_at(at: int) -> tuple[Passage, Passage]:
        start = at - at % size
        previous = at - 1 if at > start else min(start + size, len(passages)) - 1
        return passages[at], passages[previous]

    flat = [score for pair in scores for score in (pair.chosen, pair.rejected)]
    mismatched: Sequence[Score] = [UNKNOWN] * len(flat)
    if mismatch is not None:
        mismatched = mismatch(Lazy(len(passages), mismatched_at))
    labelled = [
        LabelledScore(score, at % 2 == 0, other)
        for at, (score, other) in enumerate(zip(flat, mismatched, strict=True))
    ]
    return list(_cut(labelled, size))


BATCHES: Final[Mapping[Form, Callable[..., list[Sequence[Any]]]]] = {
    "Pairs": pair_batches,
    "Answers": answer_batches,
}
"""How scored pairs become the micro-batches of a method."""


def _cut(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
