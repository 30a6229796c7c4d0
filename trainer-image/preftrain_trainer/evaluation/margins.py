"""Rewards of every held-out pair, as a file. Pure but for the writing.

The mean hides which pairs an adapter gets wrong; the file says it by the row of the source and
holds no text.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from preftrain_trainer.methods.objective import Objective
from preftrain_trainer.methods.scores import PairScore

MARGINS: Final = "margins.jsonl"


@dataclass(frozen=True, slots=True)
class PairMargin:
    """How one held-out pair was judged, by the rewards of the run's own objective.

    Of DPO and KTO a reward is beta times the log-probability of the answer under the adapter
    minus that under the base model, in nats (arXiv 2305.18290, section 4); of ORPO beta times its
    mean log-probability per token.
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
    rows: Sequence[int], scores: Sequence[PairScore], objective: Objective[Any]
) -> tuple[PairMargin, ...]:
    """Margins of the pairs with these `rows`, whose scores are in the same order.

    The result is in the order of the rows, however the pairs were batched.
    """
    margins = [_margin(row, score, objective) for row, score in zip(rows, scores, strict=True)]
    return tuple(sorted(margins, key=lambda margin: margin.row))


def write_margins(path: Path, margins: Iterable[PairMargin]) -> None:
    """Write one line of JSON a pair."""
    path.write_text(
        "".join(f"{json.dumps(asdict(margin))}\n" for margin in margins), encoding="utf-8"
    )


def _margin(row: int, score: PairScore, objective: Objective[Any]) -> PairMargin:
    chosen, rejected = objective.reward(score.chosen), objective.reward(score.rejected)
    return PairMargin(
        row=row,
        chosen_reward=chosen,
        rejected_reward=rejected,
        margin=chosen - rejected,
        chosen_tokens=score.chosen.policy.tokens,
        rejected_tokens=score.rejected.policy.tokens,
    )
