"""Which examples say what others say already, or say the opposite; on keys alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
"""One row of two words for each example: 16 bytes, in the order of bytes."""
Mask = NDArray[np.bool_]


def keys_of(packed: bytearray) -> Keys:
    """Packed keys of 16 bytes as an array that sorts like the bytes."""
    return np.frombuffer(bytes(packed), dtype=">u8").astype(np.uint64).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class Groups:
    """Examples of equal keys.

    Attributes:
        order: examples by key, and within one key in their own order.
        starts: where in `order` each key begins.
        number: the group of each entry of `order`.
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    number: NDArray[np.int64]

    @classmethod
    def of(cls, keys: Keys) -> "Groups":
        """The groups, in the order of their keys."""
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        ordered = keys[order]
        begins = np.ones(len(keys), dtype=np.bool_)
        begins[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
        return cls(order, np.flatnonzero(begins), np.cumsum(begins) - 1)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Examples in each group."""
        return np.diff(self.starts, append=len(self.order))


@dataclass(frozen=True, slots=True)
class Repeats:
    """What repeats what.

    Attributes:
        duplicate: an earlier example is the same.
        contradicted: another one judges the same answers the other way round.
        first: the first example with the same answers.
    """

    duplicate: Mask
    contradicted: Mask
    first: NDArray[np.int64]


def repeats(subjects: Keys, sides: NDArray[np.uint8]) -> Repeats:
    """Compare examples by what they judge and how."""
    count = len(subjects)
    duplicate, contradicted = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    first = np.arange(count)
    if count:
        groups = Groups.of(subjects)
        judged = sides[groups.order]
        differ = np.minimum.reduceat(judged, groups.starts) != np.maximum.reduceat(
            judged, groups.starts
        )
        contradicted[groups.order] = differ[groups.number]
        first[groups.order] = groups.order[groups.starts][groups.number]
        duplicate = ~contradicted & (first != np.arange(count))
    return Repeats(duplicate, contradicted, first)


def shared_with(trained: Keys, held_out: Keys) -> Mask:
    """Which held-out examples have a prompt that is trained on as well."""
    shared = np.zeros(len(held_out), np.bool_)
    if len(trained) and len(held_out):
        groups = Groups.of(np.concatenate([trained, held_out]))
        of_training = groups.order < len(trained)
        has_training = np.logical_or.reduceat(of_training, groups.starts)[groups.number]
        mine = ~of_training
        shared[groups.order[mine] - len(trained)] = has_training[mine]
    return shared
