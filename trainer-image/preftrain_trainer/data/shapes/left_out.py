"""Why a row does not become an example; each reason is one that the tally counts."""

from typing import ClassVar

from preftrain_trainer.data.tally import DropReason


class LeftOut(Exception):
    """The row is left out; the message says why."""

    reason: ClassVar[DropReason]


class MalformedRow(LeftOut):
    """A part is missing, mistyped or empty."""

    reason = "malformed"


class Tied(LeftOut):
    """The answers are rated alike."""

    reason = "ties"


class SingleAnswer(LeftOut):
    """There is no second rated answer of the prompt."""

    reason = "singleAnswers"
