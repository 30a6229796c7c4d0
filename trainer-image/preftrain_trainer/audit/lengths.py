"""How long prompts and answers are, and whether the longer answer is the preferred one."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, Literal

from preftrain_api.report import Lengths
from preftrain_trainer.audit.check import Check, Measure
from preftrain_trainer.audit.seen import Seen

LONGER_CHOSEN: Final = Check(
    "longerChosen",
    "prefer the longer answer, so that length itself is rewarded",
    "use the SigmoidNorm loss or method.dpo.ldAlpha",
    "Warn",
    "ours; DPO makes answers grow far beyond a small bias (R-DPO, arXiv 2403.19159)",
    "longer_chosen",
    "pairs",
)
LENGTH_RATIO: Final = Check(
    "lengthRatio",
    "differ much in length",
    "use the SigmoidNorm loss or method.dpo.ldAlpha",
    "Warn",
    "ours; DPO makes answers grow far beyond a small bias (R-DPO, arXiv 2403.19159)",
    "length_ratio",
    "pairs",
)
CHECKS: Final = (LONGER_CHOSEN, LENGTH_RATIO)

Part = Literal["Prompt", "Chosen", "Rejected", "Answer"]
Unit = Literal["Characters", "Tokens"]


class LengthTable:
    """Exact counts of lengths by part: as many numbers as there are different lengths."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._counts: dict[Part, Counter[int]] = {}

    def note(self, part: Part, length: int) -> None:
        """Count one text."""
        self._counts.setdefault(part, Counter())[length] += 1

    def median(self, part: Part) -> int:
        """The middle length; 0 when there is none."""
        counts = self._counts.get(part)
        return percentiles(counts, (0.5,))[0] if counts else 0

    def rows(self) -> Iterator[Lengths]:
        """Percentiles of every part."""
        for part, counts in self._counts.items():
            total = counts.total()
            p5, p25, p50, p75, p95, p99 = percentiles(counts, (0.05, 0.25, 0.5, 0.75, 0.95, 0.99))
            yield Lengths(
                part=part,
                unit=self._unit,
                count=total,
                mean=round(sum(length * count for length, count in counts.items()) / total, 1),
                p5=p5,
                p25=p25,
                p50=p50,
                p75=p75,
                p95=p95,
                p99=p99,
                longest=max(counts),
            )


class LengthProbe:
    """Measures characters."""

    def __init__(self) -> None:
        self.table = LengthTable("Characters")
        self._pairs = 0
        self._longer = 0

    def look(self, seen: Seen) -> None:
        """Measure one example."""
        self.table.note("Prompt", len(seen.prompt))
        if seen.pair is None:
            self.table.note("Answer", len(seen.answers[0]))
            return
        chosen, rejected = map(len, seen.pair)
        self.table.note("Chosen", chosen)
        self.table.note("Rejected", rejected)
        self._pairs += 1
        self._longer += chosen > rejected

    def measures(self) -> Iterator[Measure]:
        """Both checks, where there are pairs."""
        if not self._pairs:
            for check in CHECKS:
                yield Measure(check, 0, 0, not_checked="the data are no pairs")
            return
        yield Measure(LONGER_CHOSEN, self._longer, self._pairs)
        chosen, rejected = self.table.median("Chosen"), self.table.median("Rejected")
        ratio = max(chosen, rejected, 1) / max(min(chosen, rejected), 1)
        yield Measure(
            LENGTH_RATIO,
            self._pairs,
            self._pairs,
            value=ratio,
            statement=f"the median chosen answer has {chosen} characters, the median rejected "
            f"one {rejected}, a factor of {ratio:.2f}",
        )


def percentiles(counts: Mapping[int, int], shares: tuple[float, ...]) -> list[int]:
    """The lengths below or at which those shares of all lie (nearest rank), shares rising."""
    total = sum(counts.values())
    found: list[int] = []
    below = 0
    lengths = iter(sorted(counts))
    length = 0
    for share in shares:
        while below < max(1, share * total):
            length = next(lengths)
            below += counts[length]
        found.append(length)
    return found
