"""What can be known of the tokens before a GPU is asked for, from a sample of the examples.

The training pod judges all of them again with the training library's own tokenizer; here the
usual mistakes are found while no GPU is held.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from preftrain_api.report import Lengths
from preftrain_trainer.audit.check import Check, Hits, Measure
from preftrain_trainer.audit.lengths import LengthTable, Part
from preftrain_trainer.audit.tokenizer import ModelTokenizer, Turns, Unrenderable
from preftrain_trainer.data.pairs import Example, Message, PreferencePair, Text
from preftrain_trainer.errors import ModelUnavailable

_UNIT: Final = "sampled examples"

NO_PREFIX: Final = Check(
    "promptNotAPrefix",
    "have a prompt that the chat template renders differently once an answer follows",
    "use a model whose chat template renders the prompt the same way in both cases",
    "RefuseModel",
    "the context in use would be another than the one in training",
    "malformed",
    _UNIT,
)
NO_END: Final = Check(
    "noEndMark",
    "have an answer that the chat template does not end with an end-of-sequence token",
    "use a model whose chat template ends the assistant's turn with its end-of-sequence token",
    "RefuseModel",
    "the model would never learn to stop",
    "malformed",
    _UNIT,
)
TWO_STARTS: Final = Check(
    "doubledStart",
    "begin with two beginning-of-sequence tokens",
    "use a model whose chat template writes the token once",
    "RefuseModel",
    "the context in use would be another than the one in training",
    "malformed",
    _UNIT,
)
UNRENDERABLE: Final = Check(
    "unrenderable",
    "are conversations that the chat template refuses",
    "use data with the roles that the model knows, or another model",
    "Refuse",
    "the template itself",
    "malformed",
    _UNIT,
)
PROMPT_TOO_LONG: Final = Check(
    "promptTooLong",
    "have a prompt that leaves no room for an answer within training.maxLength",
    "raise training.maxLength",
    "Refuse",
    "ours; such examples are left out",
    "prompt_too_long",
    _UNIT,
)
SAME_WHEN_CUT: Final = Check(
    "identicalAfterTruncation",
    "have two answers that are the same once they are cut at training.maxLength",
    "raise training.maxLength",
    "Refuse",
    "ours; such pairs train with a loss of exactly ln 2 and teach nothing",
    "identical_after_truncation",
    _UNIT,
)
TRUNCATED: Final = Check(
    "truncatedCompletions",
    "are cut at training.maxLength, so that their end is not learnt",
    "raise training.maxLength",
    "Warn",
    "ours",
    "truncated_completions",
    "sampled answers",
)
CHECKS: Final = (
    NO_PREFIX,
    NO_END,
    TWO_STARTS,
    UNRENDERABLE,
    PROMPT_TOO_LONG,
    SAME_WHEN_CUT,
    TRUNCATED,
)

_END_WINDOW: Final = 8
"""Templates may put a line break or another token after the end mark."""
_CHUNK: Final = 128
"""Examples a call of the tokenizer, which works on a whole list in parallel."""


@dataclass(frozen=True, slots=True)
class _Tokens:
    row: int
    prompt: list[int]
    wholes: list[list[int]]
    """Prompt plus answer, for each answer."""


class TokenExamination:
    """Renders and tokenizes examples, and counts what is wrong with them.

    Args:
        tokenizer: of the model.
        max_length: tokens of prompt and answer together.
    """

    def __init__(self, tokenizer: ModelTokenizer, max_length: int) -> None:
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._lengths = LengthTable("Tokens")
        self._hits = {check.name: Hits() for check in CHECKS}
        self._examples = 0
        self._answers = 0

    def look(self, examples: Sequence[Example]) -> None:
        """Take the examples into account.

        Raises:
            ModelUnavailable: conversations, and no template to render them with.
        """
        templated = self._tokenizer.template is not None
        if not templated and any(example.is_conversational for example in examples):
            raise ModelUnavailable(
                "the data are conversations, but the model's tokenizer has no chat template; "
                "use an instruction-tuned model, or data of plain text"
            )
        for start in range(0, len(examples), _CHUNK):
            chunk = examples[start : start + _CHUNK]
            self._examples += len(chunk)
            for tokens in self._templated(chunk) if templated else self._plain(chunk):
                self._judge(tokens)

    def measures(self) -> Iterator[Measure]:
        """All checks."""
        for check in CHECKS:
            of = self._answers if check is TRUNCATED else self._examples
            yield self._hits[check.name].measure(check, of)

    def lengths(self) -> tuple[Lengths, ...]:
        """Percentiles in tokens."""
        return tuple(self._lengths.rows())

    def _templated(self, chunk: Sequence[Example]) -> Iterator[_Tokens]:
        rows: list[int] = []
        texts: list[list[str]] = []
        for example in chunk:
            prompt = _turns(example.prompt, "user")
            try:
                texts.append(
                    [
                        self._tokenizer.render(prompt, for_answer=True),
                        *(
                            self._tokenizer.render([*prompt, *answer], for_answer=False)
                            for answer in map(_as_answer, _answers(example))
                        ),
                    ]
                )
            except Unrenderable:
                self._hits[UNRENDERABLE.name].note(example.row)
            else:
                rows.append(example.row)
        ids = iter(self._tokenizer.ids((text for group in texts for text in group), special=False))
        for row, group in zip(rows, texts, strict=True):
            prompt_ids, *wholes = [next(ids) for _ in group]
            yield _Tokens(row, prompt_ids, wholes)

    def _plain(self, chunk: Sequence[Example]) -> Iterator[_Tokens]:
        # Apart from the prompt, as in use: there the prompt is tokenized alone, too.
        end = [] if self._tokenizer.end_id is None else [self._tokenizer.end_id]
        prompts = self._tokenizer.ids((str(example.prompt) for example in chunk), special=True)
        answers = iter(
            self._tokenizer.ids(
                (str(answer) for example in chunk for answer in _answers(example)), special=False
            )
        )
        for example, prompt in zip(chunk, prompts, strict=True):
            wholes = [[*prompt, *next(answers), *end] for _ in _answers(example)]
            yield _Tokens(example.row, prompt, wholes)

    def _judge(self, tokens: _Tokens) -> None:
        start = len(tokens.prompt)
        if any(whole[:start] != tokens.prompt for whole in tokens.wholes):
            # Where the answer begins is not known then.
            self._hits[NO_PREFIX.name].note(tokens.row)
            return
        room = self._max_length - start
        answers = [whole[start:] for whole in tokens.wholes]
        self._measure(start, answers)
        cut = {tuple(answer[:room]) for answer in answers}
        for check, wrong in (
            (NO_END, not all(self._ends(answer) for answer in answers)),
            (TWO_STARTS, tokens.prompt[:2] == [self._tokenizer.start_id] * 2),
            (PROMPT_TOO_LONG, room <= 0),
            (SAME_WHEN_CUT, room > 0 and len(cut) < len(answers)),
        ):
            if wrong:
                self._hits[check.name].note(tokens.row)
        for answer in answers:
            if 0 < room < len(answer):
                self._hits[TRUNCATED.name].note(tokens.row)

    def _measure(self, prompt_tokens: int, answers: list[list[int]]) -> None:
        self._answers += len(answers)
        self._lengths.note("Prompt", prompt_tokens)
        parts: tuple[Part, ...] = ("Chosen", "Rejected") if len(answers) == 2 else ("Answer",)
        for part, answer in zip(parts, answers, strict=True):
            self._lengths.note(part, len(answer))

    def _ends(self, answer: list[int]) -> bool:
        return not self._tokenizer.end_marks.isdisjoint(answer[-_END_WINDOW:])


def not_checked(reason: str) -> Iterator[Measure]:
    """All checks, not made."""
    for check in CHECKS:
        yield Measure(check, 0, 0, not_checked=reason)


def _answers(example: Example) -> tuple[Text, ...]:
    if isinstance(example, PreferencePair):
        return example.chosen, example.rejected
    return (example.answer,)


def _as_answer(answer: Text) -> Turns:
    return _turns(answer, "assistant")


def _turns(text: Text, role: str) -> Turns:
    """Plain text is one turn."""
    return (Message(role=role, content=text),) if isinstance(text, str) else text
