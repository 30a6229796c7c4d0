"""A sequence whose items are made when they are asked for, because all of them need not fit."""

from collections.abc import Callable, Sequence
from typing import TypeVar, overload

T_co = TypeVar("T_co", covariant=True)


class Lazy(Sequence[T_co]):
    """`count` items, each of which `make` makes from its position, every time anew."""

    def __init__(self, count: int, make: Callable[[int], T_co]) -> None:
        self._positions = range(count)
        self._make = make

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> "Sequence[T_co]": ...
    def __getitem__(self, index: int | slice) -> "T_co | Sequence[T_co]":
        if isinstance(index, slice):
            return [self._make(position) for position in self._positions[index]]
        return self._make(self._positions[index])
