"""Pairs whose two answers are nearly the same."""

from collections.abc import Iterator
from typing import Final

from rapidfuzz.distance import Levenshtein

from preftrain_trainer.audit.check import Check, Hits, Measure
from preftrain_trainer.audit.seen import Seen

NEAR_IDENTICAL: Final = Check(
    "nearIdenticalPairs",
    "have answers that are nearly the same, on which DPO lowers the likelihood of both",
    "add an SFT term to method.dpo.losses, or leave such pairs out",
    "Warn",
    "ours; DPO fails worst where the edit distance is small (Smaug, arXiv 2402.13228, and "
    "arXiv 2410.08847)",
    "near_identical_pairs",
    "pairs",
)
CHECKS: Final = (NEAR_IDENTICAL,)


class LikenessProbe:
    """Compares chosen and rejected by the normalised edit distance of their characters."""

    def __init__(self, distance: float) -> None:
        self._distance = distance
        self._pairs = 0
        self._near = Hits()

    def look(self, seen: Seen) -> None:
        """Compare one pair."""
        if seen.pair is None:
            return
        self._pairs += 1
        # With a cutoff only the neighbourhood of the diagonal is computed; beyond it is 1.
        apart = Levenshtein.normalized_distance(*seen.pair, score_cutoff=self._distance)
        if apart < self._distance:
            self._near.note(seen.row)

    def measures(self) -> Iterator[Measure]:
        """The share of near-identical pairs."""
        if self._pairs:
            yield self._near.measure(NEAR_IDENTICAL, self._pairs)
        else:
            yield Measure(NEAR_IDENTICAL, 0, 0, not_checked="the data are no pairs")
