"""Prompts that occur often."""

import hashlib
from collections.abc import Iterator
from typing import Final

from preftrain_trainer.audit.check import Check, Hits, Measure
from preftrain_trainer.audit.seen import Seen

REPEATED: Final = Check(
    "repeatedPrompts",
    "belong to a prompt with more than {many} of them, which the model will know best",
    "keep a few answers for each prompt",
    "Warn",
    "ours",
    "repeated_prompts",
)
CHECKS: Final = (REPEATED,)

_MOST_PROMPTS: Final = 1_000_000
"""Prompts that are followed; beyond that, half of them, chosen by their hash, and so on."""


class PromptProbe:
    """Counts examples by prompt.

    Memory is bounded: once there are too many prompts, only those stay whose hash is divisible
    by 2, then 4, and so on. Shares are then shares of a random half or quarter.
    """

    def __init__(self, many: int, most: int = _MOST_PROMPTS) -> None:
        self._many = many
        self._most = most
        self._divisor = 1
        self._counts: dict[int, int] = {}
        self._repeated = Hits()

    def look(self, seen: Seen) -> None:
        """Count one example."""
        digest = hashlib.blake2b(seen.prompt.encode(), digest_size=8).digest()
        key = int.from_bytes(digest, "big")
        if key % self._divisor:
            return
        count = self._counts[key] = self._counts.get(key, 0) + 1
        if count == self._many + 1:
            self._repeated.note(seen.row)
        if len(self._counts) > self._most:
            self._divisor *= 2
            for other in [other for other in self._counts if other % self._divisor]:
                del self._counts[other]

    def measures(self) -> Iterator[Measure]:
        """The share of examples whose prompt has many."""
        count = sum(count for count in self._counts.values() if count > self._many)
        total = sum(self._counts.values())
        statement = None
        if count:
            statement = (
                f"{count} of {total} examples ({count / total:.1%}) "
                f"{REPEATED.says.format(many=self._many)}; the commonest has "
                f"{max(self._counts.values())}"
            )
        yield Hits(count, self._repeated.rows).measure(REPEATED, total, statement)
