"""A chosen and a rejected answer, each in a column of its own.

Text or messages; the prompt apart or repeated in both answers: HH, binarized UltraFeedback,
Tulu's mixtures, Orca pairs, ShareGPT conversations with two last turns, Alpaca ranking sets.
"""

from collections.abc import Mapping
from typing import Any, Final

from preftrain_trainer.data.pairs import PreferencePair
from preftrain_trainer.data.shapes.cells import is_text_or_turns, text_of
from preftrain_trainer.data.shapes.parts import pair
from preftrain_trainer.data.shapes.prompt import PromptColumns
from preftrain_trainer.data.shapes.shape import Found, Shape
from preftrain_trainer.data.shapes.table import Table


def _recognise(table: Table, prompt: PromptColumns) -> Found:
    chosen = _column(table, "chosen", "chosen_response", found=0)
    rejected = _column(table, "rejected", "rejected_response", found=1)

    def read(row: int, values: Mapping[str, Any]) -> PreferencePair:
        good, bad = text_of(values, chosen), text_of(values, rejected)
        return pair(row, prompt.prompt_of(values), good, bad, prompt.turns_before(values))

    return Found({"chosen": chosen, "rejected": rejected}, read)


def _column(table: Table, member: str, other: str, found: int) -> str:
    if member not in table.asked and member in table.columns:
        # A column of this very name is meant to be one, whatever its first rows hold.
        return member
    return table.require(member, (member, other), is_text_or_turns, found)


CHOSEN_REJECTED: Final = Shape(
    name="chosen and rejected answer",
    kind="Paired",
    precedence=0,
    members=frozenset({"chosen", "rejected"}),
    recognise=_recognise,
)
