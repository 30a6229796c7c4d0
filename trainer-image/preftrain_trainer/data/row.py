"""One row of a data file, as every form of file yields it."""

from dataclasses import dataclass
from typing import Any, Final

ROW_CHARACTERS: Final = 64 * 1024 * 1024
"""Longest row, and so most of a file that is in memory at a time: tokens for which no model has
room, and what a file without line ends is taken for."""
TOO_LONG: Final = f"longer than {ROW_CHARACTERS >> 20} MiB"


@dataclass(frozen=True, slots=True)
class Row:
    """One row, or the reason why there is none."""

    where: str
    """File and line (or row), for people."""
    values: dict[str, Any]
    problem: str | None = None
    """Set when the row could not be read; `values` is empty then."""
    remedy: str | None = None
    """What to do about the problem, where the form of the file is not to blame for it."""
