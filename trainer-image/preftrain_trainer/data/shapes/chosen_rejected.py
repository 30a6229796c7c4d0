"""A chosen and a rejected answer, each in a column of its own.

Text or messages; the prompt apart or repeated in both answers: HH, binarized UltraFeedback,
Tulu's mixtures, Orca pairs, ShareGPT conversations with two last turns, Alpaca ranking sets.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from preftrain_trainer.data.pairs import PreferencePair
from preftrain_trainer.data.shapes.cells import (
    is_number,
    is_text,
    is_text_or_turns,
    models_of,
    number_of,
    text_of,
)
from preftrain_trainer.data.shapes.left_out import Tied
from preftrain_trainer.data.shapes.parts import pair
from preftrain_trainer.data.shapes.prompt import PromptColumns
from preftrain_trainer.data.shapes.shape import Found, Shape
from preftrain_trainer.data.shapes.table import Table

_RATINGS: Final = (
    ("chosen-rating", "rejected-rating"),
    ("chosen_rating", "rejected_rating"),
    ("score_chosen", "score_rejected"),
    ("chosen_score", "rejected_score"),
    ("chosen_avg_rating", "rejected_avg_rating"),
)
_MODELS: Final = (
    ("chosen-model", "rejected-model"),
    ("chosen_model", "rejected_model"),
    ("model_chosen", "model_rejected"),
)
"""What UltraFeedback's binarized sets and those made like them call their columns."""


def _recognise(table: Table, prompt: PromptColumns) -> Found:
    chosen = _column(table, "chosen", "chosen_response", found=0)
    rejected = _column(table, "rejected", "rejected_response", found=1)
    ratings = table.both(_RATINGS, is_number)
    models = table.both(_MODELS, is_text)

    def read(row: int, values: Mapping[str, Any]) -> PreferencePair:
        if ratings is not None and _are_equal(*(values.get(column) for column in ratings)):
            raise Tied(f"{ratings[0]} and {ratings[1]} are the same")
        good, bad = text_of(values, chosen), text_of(values, rejected)
        found = pair(row, prompt.prompt_of(values), good, bad, prompt.turns_before(values))
        return replace(found, models=models_of(values, models))

    return Found({"chosen": chosen, "rejected": rejected}, read)


def _are_equal(one: Any, other: Any) -> bool:
    number = number_of(one)
    return number is not None and number == number_of(other)


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
