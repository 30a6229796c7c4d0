"""Turns examples into token ids the way they will be trained on; refuses templates that lie.

Conversations go through the model's chat template, and so does plain text where the model has
one: a prompt is one turn of the user. A prompt must be the exact beginning of prompt plus
answer, and every answer must end with an end mark, or the model never learns to stop.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar

from preftrain_api.report import Finding
from preftrain_api.spec import DatasetSpec
from preftrain_api.spec.audit import AuditSpec
from preftrain_trainer.data.lazy import Lazy
from preftrain_trainer.data.pairs import Example, LabelledAnswer, Message, PreferencePair, Text
from preftrain_trainer.data.sieve import PROBLEMS, Rendered, Sieve
from preftrain_trainer.data.token_spill import Ids, TokenSpill
from preftrain_trainer.errors import DataRefused, ModelUnavailable

Rendering = Literal["ChatTemplate", "PlainText"]

_CHUNK: Final = 256
"""Examples a call of the tokenizer, which works on a whole list in parallel."""


@dataclass(frozen=True, slots=True)
class TokenizedAnswer:
    """A labelled answer in token ids, before it is cut to the longest length."""

    prompt: Ids
    answer: Ids
    desirable: bool

    @property
    def length(self) -> int:
        """Tokens of prompt and answer."""
        return len(self.prompt) + len(self.answer)


@dataclass(frozen=True, slots=True)
class TokenizedPair:
    """A pair in token ids, before it is cut to the longest length."""

    prompt: Ids
    chosen: Ids
    rejected: Ids

    @property
    def length(self) -> int:
        """Tokens of the longer side."""
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))

    def answers(self) -> tuple[TokenizedAnswer, TokenizedAnswer]:
        """The pair as two labelled answers, the chosen one first."""
        return (
            TokenizedAnswer(self.prompt, self.chosen, desirable=True),
            TokenizedAnswer(self.prompt, self.rejected, desirable=False),
        )


TokenizedExample = TypeVar("TokenizedExample", TokenizedPair, TokenizedAnswer)


@dataclass(frozen=True, slots=True)
class Tokenized(Generic[TokenizedExample]):
    """Examples that can be trained on, and what was left out.

    The ids lie on disk, so that each access reads.
    """

    examples: Sequence[TokenizedExample]
    rows: Sequence[int]
    """Number of each example's row in the source; several may come from one."""
    rendering: Rendering
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Tokenization:
    """How pairs of one run become tokens.

    Attributes:
        tokenizer: of transformers.
        end_marks: ids of which one must end every answer.
        max_length: tokens of prompt and answer together.
        audit: policy and thresholds.
        scratch: folder in which ids are kept; None for the system's folder for such files.
    """

    tokenizer: Any
    end_marks: frozenset[int]
    max_length: int
    audit: AuditSpec = field(default_factory=AuditSpec)
    scratch: Path | None = None

    @property
    def has_template(self) -> bool:
        """Whether the tokenizer brings a chat template."""
        return bool(self.tokenizer.chat_template)

    def rendering(self, conversational: bool) -> Rendering:
        """How text becomes a training sequence.

        Raises:
            ModelUnavailable: conversations, and no template to render them with.
        """
        if self.has_template:
            return "ChatTemplate"
        if conversational:
            raise ModelUnavailable(
                "the data are conversations, but the model's tokenizer has no chat template; "
                "use an instruction-tuned model, or data of plain text"
            )
        return "PlainText"

    def tokenize(
        self,
        pairs: Sequence[PreferencePair],
        conversational: bool,
        between: Callable[[], None] = lambda: None,
    ) -> Tokenized[TokenizedPair]:
        """Token ids of `pairs`; `between` is called every few hundred pairs.

        Raises:
            ModelUnavailable: the chat template is missing or cannot be trained with.
            DataRefused: too many pairs cannot be used at this length.
        """
        sieve, rendering = self._sift(pairs, 2, conversational, between)
        findings = tuple(self._judge(sieve, len(pairs), "pairs"))
        kept = Lazy(len(sieve.kept), lambda position: TokenizedPair(*sieve.kept.read(position)))
        return Tokenized(kept, sieve.rows, rendering, findings)

    def tokenize_answers(
        self,
        answers: Sequence[LabelledAnswer],
        conversational: bool,
        between: Callable[[], None] = lambda: None,
    ) -> Tokenized[TokenizedAnswer]:
        """Token ids of labelled `answers`; otherwise like `tokenize`.

        Raises:
            ModelUnavailable: the chat template is missing or cannot be trained with.
            DataRefused: too many answers cannot be used at this length.
        """
        sieve, rendering = self._sift(answers, 1, conversational, between)
        findings = tuple(self._judge(sieve, len(answers), "answers"))

        def kept(position: int) -> TokenizedAnswer:
            prompt, answer = sieve.kept.read(position)
            return TokenizedAnswer(prompt, answer, bool(sieve.labels[position]))

        return Tokenized(Lazy(len(sieve.kept), kept), sieve.rows, rendering, findings)

    def _sift(
        self,
        examples: Sequence[Example],
        answers: int,
        conversational: bool,
        between: Callable[[], None],
    ) -> tuple[Sieve, Rendering]:
        rendering = self.rendering(conversational)
        render = self._conversations if rendering == "ChatTemplate" else self._plain
        sieve = Sieve(self.max_length, self.end_marks, TokenSpill(self.scratch, 1 + answers))
        for chunk in _chunks(examples, _CHUNK):
            between()
            for example, rendered in zip(chunk, render(chunk), strict=True):
                sieve.put(example, rendered)
        return sieve, rendering

    def _judge(self, sieve: Sieve, rows: int, kind: str) -> Iterator[Finding]:
        limits = self.audit.in_force().model_dump()
        enforced = self.audit.policy == "Enforce"
        for problem in PROBLEMS:
            limit: float = limits[problem.threshold]
            found = sieve.dropped.get(problem.name, [])
            if not found:
                continue
            message = (
                f"{len(found)} of {rows} {kind} {problem.text.format(length=self.max_length)} "
                f"(first in row {found[0]})"
            )
            if problem.of_template and len(found) > limit * rows:
                # Whatever the policy: training on them would teach something else.
                raise ModelUnavailable(f"{message}; {problem.way_out}")
            if enforced and len(found) > limit * rows:
                raise DataRefused(f"{message}; {problem.way_out}")
            yield Finding(
                name=problem.name,
                severity="Warning",
                message=f"{message} and were left out",
                count=len(found),
            )
        if rows and not len(sieve.kept):
            raise DataRefused(f"none of the {kind} is left; see the findings of the data report")

    def _conversations(self, chunk: Sequence[Example]) -> Iterator[Rendered]:
        turns = [_conversation(example) for example in chunk]
        prompts = self._apply([prompt for prompt, _ in turns], add_generation_prompt=True)
        wholes = iter(self._apply([prompt + each for prompt, answers in turns for each in answers]))
        for prompt_ids, (_, answers) in zip(prompts, turns, strict=True):
            whole = [next(wholes) for _ in answers]
            if any(_common(prompt_ids, ids) < len(prompt_ids) for ids in whole):
                # Marked by empty answers; the sieve counts it and leaves the row out.
                yield tuple(prompt_ids), tuple(() for _ in answers)
            else:
                yield tuple(prompt_ids), tuple(tuple(ids[len(prompt_ids) :]) for ids in whole)

    def _apply(self, conversations: list[Any], **options: Any) -> list[list[int]]:
        ids: list[list[int]] = self.tokenizer.apply_chat_template(
            conversations, tokenize=True, return_dict=True, **options
        )["input_ids"]
        return ids

    def _plain(self, chunk: Sequence[Example]) -> Iterator[Rendered]:
        end = self.tokenizer.eos_token_id
        prompts = self.tokenizer([str(example.prompt) for example in chunk])["input_ids"]
        # Apart from the prompt, as in use: there the prompt is tokenized alone, too.
        texts = [[str(answer) for answer in _answers_of(example)] for example in chunk]
        ids = iter(self._answers([text for answers in texts for text in answers]))
        for prompt_ids, answers in zip(prompts, texts, strict=True):
            yield tuple(prompt_ids), tuple((*next(ids), end) for _ in answers)

    def _answers(self, texts: list[str]) -> list[list[int]]:
        ids: list[list[int]] = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return ids


def tokenization_of(
    tokenizer: Any,
    end_marks: Iterable[int],
    max_length: int,
    dataset: DatasetSpec,
    scratch: Path | None = None,
) -> Tokenization:
    """The tokenization of a run."""
    audit = dataset.audit or AuditSpec()
    return Tokenization(tokenizer, frozenset(end_marks), max_length, audit, scratch)


def as_conversation(pair: PreferencePair) -> tuple[list[Any], list[Any], list[Any]]:
    """Prompt, chosen and rejected as lists of turns; plain text becomes one turn each."""
    prompt, (chosen, rejected) = _conversation(pair)
    return prompt, chosen, rejected


def answer_as_conversation(answer: LabelledAnswer) -> tuple[list[Any], list[Any]]:
    """Prompt and answer as lists of turns; plain text becomes one turn each."""
    prompt, (turns,) = _conversation(answer)
    return prompt, turns


def _answers_of(example: Example) -> tuple[Text, ...]:
    if isinstance(example, PreferencePair):
        return example.chosen, example.rejected
    return (example.answer,)


def _conversation(example: Example) -> tuple[list[Message], list[list[Message]]]:
    return (
        _turns(example.prompt, "user"),
        [_turns(answer, "assistant") for answer in _answers_of(example)],
    )


def _turns(text: Text, role: str) -> list[Message]:
    return [{"role": role, "content": text}] if isinstance(text, str) else list(text)


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    for position, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return position
    return min(len(left), len(right))


def _chunks(examples: Sequence[Example], size: int) -> Iterator[Sequence[Example]]:
    remaining = iter(examples)
    while chunk := list(islice(remaining, size)):
        yield chunk
