"""One row of the page of failure modes."""

from __future__ import annotations

from dataclasses import dataclass

from preftrain_api.exit_codes import ExitCode
from preftrain_api.reasons import Reason

Shown = Reason | ExitCode | str
"""What a user sees: a reason of a condition, an exit code, or a word of plain text."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A numbered fault, or a numbered test case.

    Attributes:
        number: the argument of the marker `fault` or `case`.
        what: what goes wrong.
        here: what happens then, in one sentence.
        shown: what a user sees of it.
        out_of_scope: why no test shows it; empty where there must be one.
        trainer: whether the trainer answers for it, and not the operator.
    """

    number: int
    what: str
    here: str
    shown: tuple[Shown, ...] = ()
    out_of_scope: str = ""
    trainer: bool = False
