"""One answer a row: with a label whether it is good (KTO sets, also as whole conversations), or
with a score, so that the rows of a prompt that follow each other make a pair (HelpSteer).
"""

import reprlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from preftrain_trainer.data.pairs import LabelledAnswer, PreferencePair
from preftrain_trainer.data.shapes.cells import (
    is_answered,
    is_label,
    is_number,
    is_text_or_turns,
    label_of,
    number_of,
    text_of,
)
from preftrain_trainer.data.shapes.left_out import MalformedRow, SingleAnswer, Tied
from preftrain_trainer.data.shapes.parts import labelled, pair
from preftrain_trainer.data.shapes.prompt import PromptColumns
from preftrain_trainer.data.shapes.shape import Found, ScoredAnswer, Shape
from preftrain_trainer.data.shapes.table import NoColumn, Table

_ANSWERS: Final = ("completion", "response", "answer", "output", "generation")
_CONVERSATIONS: Final = ("conversations", "conversation", "messages")
_LABELS: Final = ("label", "kto_tag", "desirable", "is_desirable", "thumbs", "feedback")
_SCORES: Final = ("score", "rating", "reward", "helpfulness", "overall_score")


def _recognise_labelled(table: Table, prompt: PromptColumns) -> Found:
    label = table.require("label", _LABELS, is_label, found=int(_LABELS[0] in table.columns))
    answer = _answer(table, found=1)

    def read(row: int, values: Mapping[str, Any]) -> LabelledAnswer:
        desirable = label_of(values.get(label))
        if desirable is None:
            raise MalformedRow(
                f"{label} {reprlib.repr(values.get(label))} says neither good nor bad"
            )
        asked = prompt.prompt_of(values)
        text = text_of(values, answer)
        return labelled(row, asked, text, desirable, prompt.turns_before(values))

    return Found({"completion": answer, "label": label}, read)


def _answer(table: Table, found: int) -> str:
    column = table.find("completion", _ANSWERS, is_text_or_turns)
    return column or table.require("completion", _CONVERSATIONS, is_answered, found)


def _recognise_scored(table: Table, prompt: PromptColumns) -> Found:
    score = table.require("scores", _SCORES, is_number)
    answer = _answer(table, found=1)
    column = prompt.prompt
    if column is None:
        raise NoColumn("prompt", "prompt", asked=False, found=2)
    prompts = [row.get(column) for row in table.rows]
    if all(one != other for one, other in pairwise(prompts)):
        raise NoColumn("chosen", "chosen", asked=False, found=0)

    def read(row: int, values: Mapping[str, Any]) -> ScoredAnswer:
        rating = number_of(values.get(score))
        if rating is None:
            raise MalformedRow(f"{score} is not a number")
        asked, before = prompt.prompt_of(values), prompt.turns_before(values)
        return ScoredAnswer(row, asked, before, text_of(values, answer), rating)

    return Found({"completion": answer, "scores": score}, read)


def best_and_worst(answers: Sequence[ScoredAnswer]) -> PreferencePair:
    """The pair that the rated answers of one prompt make, under the number of the first row.

    Raises:
        LeftOut: they make none.
    """
    if len(answers) < 2:
        raise SingleAnswer("no other answer of the same prompt follows")
    best = max(answers, key=lambda answer: answer.score)
    worst = min(answers, key=lambda answer: answer.score)
    if best.score == worst.score:
        raise Tied("the answers of the prompt are all rated alike")
    first = answers[0]
    return pair(first.row, first.prompt, best.answer, worst.answer, first.before)


LABELLED: Final = Shape(
    name="answer with a label",
    kind="Unpaired",
    precedence=0,
    members=frozenset({"completion", "label"}),
    recognise=_recognise_labelled,
)
SCORED: Final = Shape(
    name="answer with a score, compared with the next ones of its prompt",
    kind="Paired",
    precedence=3,
    members=frozenset({"completion", "scores"}),
    recognise=_recognise_scored,
)
