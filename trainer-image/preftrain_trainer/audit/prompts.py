"""Prompts that occur often, and prompts that are both trained on and judged on."""

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
OVERLAP: Final = Check(
    "evalOverlap",
    "have a prompt that is trained on as well, so they judge what was learnt by heart",
    "remove them from dataset.evalSplit, or use dataset.evalFraction, which keeps prompts apart",
    "Warn",
    "ours",
    "eval_overlap",
    "held-out examples",
)
CHECKS: Final = (REPEATED, OVERLAP)

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
        self._trained: dict[int, int] = {}
        self._held_out: dict[int, list[int]] = {}
        self._repeated = Hits()

    def look(self, seen: Seen) -> None:
        """Count one example."""
        digest = hashlib.blake2b(seen.prompt.encode(), digest_size=8).digest()
        key = int.from_bytes(digest, "big")
        if key % self._divisor:
            return
        if seen.held_out:
            self._held_out.setdefault(key, []).append(seen.row)
        else:
            count = self._trained[key] = self._trained.get(key, 0) + 1
            if count == self._many + 1:
                self._repeated.note(seen.row)
        if len(self._trained) + len(self._held_out) > self._most:
            self._thin()

    def _thin(self) -> None:
        self._divisor *= 2
        for table in (self._trained, self._held_out):
            for key in [key for key in table if key % self._divisor]:
                del table[key]

    def measures(self) -> Iterator[Measure]:
        """Both checks; the second when something is held out."""
        repeated = Hits(
            sum(count for count in self._trained.values() if count > self._many),
            self._repeated.rows,
        )
        total = sum(self._trained.values())
        statement = None
        if repeated.count:
            most = max(self._trained.values())
            statement = (
                f"{repeated.count} of {total} examples ({repeated.count / total:.1%}) "
                f"{REPEATED.says.format(many=self._many)}; the commonest has {most}"
            )
        yield repeated.measure(REPEATED, total, statement)
        both = Hits()
        for key, rows in self._held_out.items():
            for row in rows if key in self._trained else ():
                both.note(row)
        held_out = sum(map(len, self._held_out.values()))
        if held_out:
            yield both.measure(OVERLAP, held_out)
        else:
            yield Measure(OVERLAP, 0, 0, not_checked="nothing is held out")
