"""Good and bad answers of unpaired data: how many of each, and what KTO makes of it."""

from collections.abc import Iterator
from typing import Final

from preftrain_api.spec import KtoSpec
from preftrain_trainer.audit.check import Check, Measure
from preftrain_trainer.audit.seen import Seen

LABEL_IMBALANCE: Final = Check(
    "labelImbalance",
    "have the commoner label",
    "add answers of the other label",
    "Refuse",
    "ours: ten to one",
    "label_imbalance",
    "answers",
)
KTO_WEIGHTS: Final = Check(
    "ktoWeights",
    "are weighted outside of what KTO's authors recommend",
    "leave method.kto.desirableWeight and undesirableWeight out, and they follow the counts",
    "Warn",
    "arXiv 2402.01306, equation 8: the good answers' weight over the bad ones' lies in 1 to 4/3",
    None,
    "answers",
)
CHECKS: Final = (LABEL_IMBALANCE, KTO_WEIGHTS)

_MOST_RATIO: Final = 4 / 3


class LabelProbe:
    """Counts the labels."""

    def __init__(self, kto: KtoSpec | None) -> None:
        self._kto = kto
        self._paired = False
        self._good = 0
        self._bad = 0

    def look(self, seen: Seen) -> None:
        """Count one example; a pair has a good and a bad answer."""
        self._paired = self._paired or seen.pair is not None
        self._good += seen.good is not None
        self._bad += seen.good is None or seen.pair is not None

    def measures(self) -> Iterator[Measure]:
        """The balance, and the weights where the job sets both."""
        total = self._good + self._bad
        if self._paired or not total:
            yield Measure(LABEL_IMBALANCE, 0, 0, not_checked="the data are pairs")
        else:
            yield Measure(
                LABEL_IMBALANCE,
                max(self._good, self._bad),
                total,
                statement=f"{self._good} answers are labelled good and {self._bad} bad",
            )
        yield self._weights()

    def _weights(self) -> Measure:
        kto = self._kto
        if kto is None or kto.desirable_weight is None or kto.undesirable_weight is None:
            return Measure(KTO_WEIGHTS, 0, 0, not_checked="the job sets no weights for KTO")
        good = kto.desirable_weight * self._good
        bad = kto.undesirable_weight * self._bad
        ratio = good / bad if bad else float(self._good)
        fits = 1 <= ratio <= _MOST_RATIO
        proposed = self._bad / max(self._good, 1)
        return Measure(
            KTO_WEIGHTS,
            0 if fits else self._good + self._bad,
            self._good + self._bad,
            statement=f"with these weights the {self._good} good answers weigh {ratio:.2f} times "
            f"as much as the {self._bad} bad ones; desirableWeight {proposed:.3g} with "
            "undesirableWeight 1 would balance them",
        )
