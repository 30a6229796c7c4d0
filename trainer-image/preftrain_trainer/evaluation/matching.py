"""Pairs for judging where there are only labelled answers. Pure.

Reward accuracy is a share of pairs. Every good answer could be held against every bad one (the
area under the ROC curve), but those comparisons are not independent, and Wilson's interval, on
which the default gate rests, would be far too narrow. So the answers are matched into disjoint
pairs, each a trial of its own: a random good answer against a random bad one, most often to
another prompt.
"""

from collections.abc import Sequence
from random import Random


def matched(labels: Sequence[bool], seed: int) -> list[tuple[int, int]]:
    """Disjoint pairs of indices into `labels`, a desirable answer and another one; the rest of
    the commoner label is left out. The same seed gives the same pairs.
    """
    random = Random(seed)  # noqa: S311  # repeatable, not secret
    good = [index for index, label in enumerate(labels) if label]
    bad = [index for index, label in enumerate(labels) if not label]
    random.shuffle(good)
    random.shuffle(bad)
    return list(zip(good, bad, strict=False))
