"""A random sample of bounded size, taken while the examples pass by."""

from random import Random
from typing import Final, Generic, TypeVar

T = TypeVar("T")

SAMPLE: Final = 2000
"""A share of 5 % is then known to about one percentage point (95 % interval)."""
_SEED: Final = 42


class Sample(Generic[T]):
    """Every example has the same chance to be in it (Vitter 1985, algorithm R)."""

    def __init__(self, size: int = SAMPLE) -> None:
        self.items: list[T] = []
        self._size = size
        self._passed = 0
        self._random = Random(_SEED)  # noqa: S311 - a sample that is the same every time

    def offer(self, item: T) -> None:
        """Let one example pass."""
        self._passed += 1
        if len(self.items) < self._size:
            self.items.append(item)
        elif (place := self._random.randrange(self._passed)) < self._size:
            self.items[place] = item
