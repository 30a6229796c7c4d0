"""A few rows that the library tokenizes itself, to hold our tokens against.

Its constructors want a data set; they get one of a few rows, and the real one afterwards.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from preftrain_api.spec.method import MethodType
from preftrain_trainer.data.pairs import Example, LabelledAnswer, PreferencePair
from preftrain_trainer.data.tokens import (
    Rendering,
    TokenizedAnswer,
    TokenizedPair,
    answer_as_conversation,
    as_conversation,
)
from preftrain_trainer.errors import InternalError
from preftrain_trainer.methods.table import Form

SIZE: Final = 8
"""Examples of the sample."""

Tokens = tuple[tuple[int, ...], ...]


def sample_rows(
    examples: Sequence[Example], rendering: Rendering, form: Form
) -> list[dict[str, Any]]:
    """The first examples as rows that the library reads."""
    first = examples[:SIZE]
    if form == "Answers":
        first = [answer for example in first for answer in _answers(example)]
    rows = _as_text if rendering == "PlainText" else _as_turns
    return [rows(example) for example in first]


def require_same_tokens(
    method: MethodType, theirs: Sequence[Mapping[str, Any]], ours: Sequence[Any]
) -> None:
    """Whatever the library tokenizes must be among what we train on, or the two disagree.

    ORPO's library code is old: it puts a second end mark after the template's own, and a first
    token before the prompt. What it is fed is checked by the first loss.

    Raises:
        InternalError: most of the sample came out differently.
    """
    if method not in _THEIRS:
        return
    known = {_tokens(example) for example in ours[: 4 * SIZE]}
    same = sum(_THEIRS[method](row) in known for row in theirs)
    # Examples that were left out here may still be among theirs.
    if same < min(len(theirs), len(ours)) / 2:
        raise InternalError(
            f"TRL tokenizes {len(theirs) - same} of {len(theirs)} examples in another way"
        )


_THEIRS: Final[Mapping[MethodType, Callable[[Mapping[str, Any]], Tokens]]] = {
    "DPO": lambda row: _columns(row, "prompt_ids", "chosen_ids", "rejected_ids"),
    "KTO": lambda row: _columns(row, "prompt_ids", "completion_ids"),
}


def _columns(row: Mapping[str, Any], *names: str) -> Tokens:
    return tuple(tuple(row[name]) for name in names)


def _tokens(example: TokenizedPair | TokenizedAnswer) -> Tokens:
    if isinstance(example, TokenizedPair):
        return example.prompt, example.chosen, example.rejected
    return example.prompt, example.answer


def _answers(example: Example) -> Iterator[LabelledAnswer]:
    if isinstance(example, LabelledAnswer):
        yield example
    else:
        yield LabelledAnswer(example.row, example.prompt, example.chosen, desirable=True)
        yield LabelledAnswer(example.row, example.prompt, example.rejected, desirable=False)


def _as_text(example: Example) -> dict[str, Any]:
    return dict(example.columns())


def _as_turns(example: Example) -> dict[str, Any]:
    if isinstance(example, PreferencePair):
        prompt, chosen, rejected = as_conversation(example)
        return {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    prompt, completion = answer_as_conversation(example)
    return {"prompt": prompt, "completion": completion, "label": example.desirable}
