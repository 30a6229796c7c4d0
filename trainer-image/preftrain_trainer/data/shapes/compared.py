"""Two answers and a verdict, or a score for each: PKU-SafeRLHF, SHP, HelpSteer's preferences,
arena votes, WebGPT, AlpacaFarm.
"""

import math
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
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
from preftrain_trainer.data.shapes.left_out import MalformedRow, Tied
from preftrain_trainer.data.shapes.parts import pair
from preftrain_trainer.data.shapes.prompt import PromptColumns
from preftrain_trainer.data.shapes.shape import Found, Shape
from preftrain_trainer.data.shapes.table import NoColumn, Table

_ANSWERS: Final = (
    ("response_0", "response_1"),
    ("response_1", "response_2"),
    ("response1", "response2"),
    ("response_a", "response_b"),
    ("response_A", "response_B"),
    ("answer_0", "answer_1"),
    ("answer_a", "answer_b"),
    ("output_1", "output_2"),
    ("human_ref_A", "human_ref_B"),
    ("conversation_a", "conversation_b"),
)
_MODELS: Final = (("model_a", "model_b"), ("model_1", "model_2"), ("model_0", "model_1"))
_SCORES: Final = (("score_0", "score_1"), ("score_A", "score_B"), ("score_a", "score_b"))

_NAMED: Final = {
    "a": -1,
    "model_a": -1,
    "response_a": -1,
    "first": -1,
    "b": 1,
    "model_b": 1,
    "response_b": 1,
    "second": 1,
    "tie": 0,
    "tie (bothbad)": 0,
    "both_bad": 0,
    "bothbad": 0,
}
"""How arenas name the better model."""

Verdict = Callable[[Any], float | None]
"""Below 0: the first answer is better; above: the second; 0: a tie; None: no verdict."""


def _index(value: Any) -> float | None:
    return {0.0: -1.0, 1.0: 1.0}.get(_number(value))


def _first_wins(value: Any) -> float | None:
    return {1.0: -1.0, 0.0: 1.0}.get(_number(value))


def _one_based(value: Any) -> float | None:
    return {0.0: 0.0, 1.0: -1.0, 1.5: 0.0, 2.0: 1.0}.get(_number(value))


def _name(value: Any) -> float | None:
    return _NAMED.get(value.strip().lower()) if isinstance(value, str) else None


def _number(value: Any) -> float:
    number = number_of(value)
    return math.nan if number is None else number


_VERDICTS: Final[dict[str, Verdict]] = {
    "better_response_id": _index,
    "labels": _first_wins,
    "preference_strength": number_of,
    "overall_preference": number_of,
    "preference": _one_based,
}
"""What numbers in the usual columns say: PKU-SafeRLHF counts from 0, as other columns are
taken to do; SHP has 1 where the first answer is preferred; HelpSteer is negative then; AlpacaFarm
counts from 1."""

_USUAL: Final = (
    "better_response_id",
    "labels",
    "preference_strength",
    "overall_preference",
    "preference",
    "winner",
)


@dataclass(frozen=True, slots=True)
class _Judge:
    columns: Mapping[str, str]
    verdict: Callable[[Mapping[str, Any]], float]


def _recognise(table: Table, prompt: PromptColumns) -> Found:
    first, second = _answers(table)
    models = table.both(_MODELS, is_text)
    judge = _by_verdict(table) or _by_scores(table)
    if judge is None:
        raise NoColumn("better", _USUAL[0], asked=False, found=2)

    def read(row: int, values: Mapping[str, Any]) -> PreferencePair:
        verdict = judge.verdict(values)
        if verdict == 0:
            raise Tied("neither answer is called better")
        one, other = text_of(values, first), text_of(values, second)
        good, bad = (one, other) if verdict < 0 else (other, one)
        found = pair(row, prompt.prompt_of(values), good, bad, prompt.turns_before(values))
        wrote = models_of(values, models)
        return replace(found, models=wrote if wrote is None or verdict < 0 else wrote[::-1])

    return Found({"first": first, "second": second, **judge.columns}, read)


def _answers(table: Table) -> tuple[str, str]:
    if table.asked.keys() & {"first", "second"}:
        first = table.require("first", ("first",), is_text_or_turns)
        return first, table.require("second", ("second",), is_text_or_turns, found=1)
    for pair_of_columns in _ANSWERS:
        if all(table.holds(column, is_text_or_turns) for column in pair_of_columns):
            return pair_of_columns
    raise NoColumn("first", _ANSWERS[0][0], asked=False, found=0)


def _by_verdict(table: Table) -> _Judge | None:
    column = table.find("better", (), is_number)
    if column is None:
        column = next((name for name in _USUAL if table.holds(name, partial(_decides, name))), None)
    if column is None:
        return None

    def verdict(values: Mapping[str, Any]) -> float:
        found = _says(column, values.get(column))
        if found is None:
            raise MalformedRow(f"{column} {reprlib.repr(values.get(column))} names neither answer")
        return found

    return _Judge({"better": column}, verdict)


def _decides(column: str, value: Any) -> bool:
    return _says(column, value) is not None


def _says(column: str, value: Any) -> float | None:
    named = _name(value)
    return _VERDICTS.get(column, _index)(value) if named is None else named


def _by_scores(table: Table) -> _Judge | None:
    for columns in _SCORES:
        if all(table.holds(column, is_number) for column in columns):
            return _Judge({"scores": " and ".join(columns)}, partial(_difference, *columns))
    return None


def _difference(first: str, second: str, values: Mapping[str, Any]) -> float:
    one, other = number_of(values.get(first)), number_of(values.get(second))
    if one is None or other is None:
        raise MalformedRow(f"{first if one is None else second} is not a number")
    return other - one


COMPARED: Final = Shape(
    name="two answers, compared",
    kind="Paired",
    precedence=1,
    members=frozenset({"first", "second", "better"}),
    recognise=_recognise,
)
