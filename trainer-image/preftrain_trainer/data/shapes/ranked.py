"""A list of answers with scores or ranks, of which the best and the worst make a pair; or a list
of two, the better one first: UltraFeedback, Nectar, distilabel's generations, Alpaca outputs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from preftrain_trainer.data.pairs import PreferencePair
from preftrain_trainer.data.shapes.cells import (
    as_text,
    is_number,
    is_text,
    is_text_or_turns,
    models_of,
    number_of,
)
from preftrain_trainer.data.shapes.left_out import MalformedRow, SingleAnswer, Tied
from preftrain_trainer.data.shapes.parts import pair
from preftrain_trainer.data.shapes.prompt import PromptColumns
from preftrain_trainer.data.shapes.shape import Found, Shape
from preftrain_trainer.data.shapes.table import NoColumn, Table

_ANSWERS: Final = ("answers", "completions", "responses", "generations", "all_generated_responses")
_SCORES: Final = ("scores", "ratings", "rating", "all_rm_scores")
_RANKS: Final = ("ranks", "ranking", "rank")
_TWO: Final = ("output", "outputs")

_TEXT_KEYS: Final = ("answer", "response", "text", "content", "completion", "output", "generation")
_SCORE_KEYS: Final = ("overall_score", "score", "rating", "reward", "pm_score")
_RANK_KEYS: Final = ("rank",)
"""Members of an answer that is an object."""

_MODEL_KEY: Final = "model"
_MODELS: Final = ("models", "generation_models", "model_names")
"""Where a set says which model wrote an answer."""


@dataclass(frozen=True, slots=True)
class _Rated:
    answer: Any
    score: float | None
    """Higher is better; None is not rated."""
    model: Any = None


Rated = Callable[[Mapping[str, Any]], list[_Rated]]
"""The answers of a row."""


def _recognise_ranked(table: Table, prompt: PromptColumns) -> Found:
    answers = table.require("answers", _ANSWERS, _is_list)
    columns, rated = _apart(table, answers) or _inside(table, answers)

    def read(row: int, values: Mapping[str, Any]) -> PreferencePair:
        found = [(item.score, item) for item in rated(values) if item.score is not None]
        if len(found) < 2:
            raise SingleAnswer(f"{answers} has fewer than two rated answers")
        high, best = max(found, key=lambda item: item[0])
        low, worst = min(found, key=lambda item: item[0])
        if high == low:
            raise Tied(f"{answers} are all rated alike")
        good, bad = as_text(best.answer, answers), as_text(worst.answer, answers)
        made = pair(row, prompt.prompt_of(values), good, bad, prompt.turns_before(values))
        both = {"best": best.model, "worst": worst.model}
        return replace(made, models=models_of(both, ("best", "worst")))

    return Found({"answers": answers, **columns}, read)


def _apart(table: Table, answers: str) -> tuple[dict[str, str], Rated] | None:
    """Scores or ranks in a list of their own."""
    models = table.find("models", _MODELS, _is_texts)
    for member, usual, sign in (("scores", _SCORES, 1), ("ranks", _RANKS, -1)):
        column = table.find(member, usual, _is_numbers)
        if column is None:
            continue

        def rated(
            values: Mapping[str, Any], column: str = column, sign: int = sign
        ) -> list[_Rated]:
            texts, ratings = _list(values, answers), _list(values, column)
            if len(texts) != len(ratings):
                raise MalformedRow(f"{answers} and {column} are of different length")
            wrote = values.get(models) if models else None
            if not isinstance(wrote, list) or len(wrote) != len(texts):
                wrote = [None] * len(texts)
            return [
                _Rated(text, _signed(rating, sign), model)
                for text, rating, model in zip(texts, ratings, wrote, strict=True)
            ]

        return {member: column}, rated
    return None


def _inside(table: Table, answers: str) -> tuple[dict[str, str], Rated]:
    """Scores or ranks as members of the answers."""
    text = _key(table, answers, _TEXT_KEYS, is_text_or_turns)
    score = _key(table, answers, _SCORE_KEYS, is_number)
    rank = _key(table, answers, _RANK_KEYS, is_number)
    if text is None or (score is None and rank is None):
        raise NoColumn("scores", _SCORES[0], asked=False, found=1)
    key, sign, member = (score, 1, "scores") if score is not None else (str(rank), -1, "ranks")

    def rated(values: Mapping[str, Any]) -> list[_Rated]:
        found: list[_Rated] = []
        for item in _list(values, answers):
            if not isinstance(item, dict):
                raise MalformedRow(f"an entry of {answers} is not an object")
            score = _signed(item.get(key), sign)
            found.append(_Rated(item.get(text), score, item.get(_MODEL_KEY)))
        return found

    return {member: f"{answers}.{key}"}, rated


def _signed(rating: Any, sign: int) -> float | None:
    number = number_of(rating)
    return None if number is None else sign * number


def _key(
    table: Table, answers: str, keys: tuple[str, ...], test: Callable[[Any], bool]
) -> str | None:
    return next((key for key in keys if table.holds(answers, partial(_has, key, test))), None)


def _has(key: str, test: Callable[[Any], bool], value: Any) -> bool:
    return isinstance(value, list) and any(
        isinstance(item, dict) and test(item.get(key)) for item in value
    )


def _recognise_two(table: Table, prompt: PromptColumns) -> Found:
    answers = table.require("answers", _TWO, _is_two)

    def read(row: int, values: Mapping[str, Any]) -> PreferencePair:
        both = _list(values, answers)
        if len(both) != 2:
            raise MalformedRow(f"{answers} has {len(both)} entries, not the better and the worse")
        good, bad = as_text(both[0], answers), as_text(both[1], answers)
        return pair(row, prompt.prompt_of(values), good, bad, prompt.turns_before(values))

    return Found({"answers": answers}, read)


def _list(values: Mapping[str, Any], column: str) -> list[Any]:
    value = values.get(column)
    if not isinstance(value, list):
        raise MalformedRow(f"{column} is not a list")
    return value


def _is_list(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, str | list | dict) for item in value)
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_text, value))


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and any(map(is_number, value))


def _is_two(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_text_or_turns, value))


RANKED: Final = Shape(
    name="ranked answers",
    kind="Paired",
    precedence=1,
    members=frozenset({"answers", "scores", "ranks"}),
    recognise=_recognise_ranked,
)
TWO_OUTPUTS: Final = Shape(
    name="two answers, the better one first",
    kind="Paired",
    precedence=2,
    members=frozenset({"answers"}),
    recognise=_recognise_two,
)
