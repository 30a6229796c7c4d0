"""Rewards of every held-out pair, as a file. Pure but for the writing.

The mean hides which pairs an adapter gets wrong; the file says it by the row of the source and
holds no text.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from preftrain_trainer.model.likelihood import PairLikelihood

MARGINS: Final = "margins.jsonl"


@dataclass(frozen=True, slots=True)
class PairMargin:
    """How one held-out pair was judged.

    A reward is beta times the log-probability of the answer under the adapter minus that under
    the base model, in nats (arXiv 2305.18290, section 4).
    """

    row: int
    """Number of the row in the source, from 1."""
    chosen_reward: float
    rejected_reward: float
    margin: float
    """Chosen minus rejected; above 0 the pair counts as right."""
    chosen_tokens: int
    rejected_tokens: int


def margins_of(
    rows: Sequence[int],
    policy: Sequence[PairLikelihood],
    reference: Sequence[PairLikelihood],
    beta: float,
) -> tuple[PairMargin, ...]:
    """Margins of the pairs with these `rows`, whose likelihoods are in the same order.

    The result is in the order of the rows, however the pairs were batched.
    """
    margins = [
        _margin(row, ours, theirs, beta)
        for row, ours, theirs in zip(rows, policy, reference, strict=True)
    ]
    return tuple(sorted(margins, key=lambda margin: margin.row))


def write_margins(path: Path, margins: Iterable[PairMargin]) -> None:
    """Write one line of JSON a pair."""
    path.write_text(
        "".join(f"{json.dumps(asdict(margin))}\n" for margin in margins), encoding="utf-8"
    )


def _margin(row: int, policy: PairLikelihood, reference: PairLikelihood, beta: float) -> PairMargin:
    chosen = beta * (policy.chosen - reference.chosen)
    rejected = beta * (policy.rejected - reference.rejected)
    return PairMargin(
        row=row,
        chosen_reward=chosen,
        rejected_reward=rejected,
        margin=chosen - rejected,
        chosen_tokens=policy.chosen_tokens,
        rejected_tokens=policy.rejected_tokens,
    )
