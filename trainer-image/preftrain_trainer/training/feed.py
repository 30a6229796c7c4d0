"""What the trainer is fed: the examples of a run in training order, as torch datasets.

One class a way of training, and a table of which method takes which. The library's own order,
unpairing and tokens are never used: it would unpair in blocks, so that KTO saw all good answers
before all bad ones.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from preftrain_api.report import Finding
from preftrain_api.spec import PreferenceTrainingJobSpec, TrainingSpec
from preftrain_api.spec.method import MethodType
from preftrain_trainer.data.lazy import Lazy
from preftrain_trainer.data.pairs import PreparedData, as_answers, as_pairs
from preftrain_trainer.data.tokens import (
    Rendering,
    TokenizedAnswer,
    TokenizedPair,
    tokenization_of,
)
from preftrain_trainer.fit.layout import Fit
from preftrain_trainer.methods.labels import weight_finding
from preftrain_trainer.methods.scores import (
    UNKNOWN,
    LabelledScore,
    Likelihood,
    PairScore,
    untrained,
)
from preftrain_trainer.methods.table import method_of
from preftrain_trainer.model.likelihood import Passage, Scorer, passage, passages_of
from preftrain_trainer.model.loading import LoadedModel
from preftrain_trainer.stop import StopRequest
from preftrain_trainer.training.order import interleaved_order, training_order

Measure = Callable[[Passage], Likelihood]
"""The likelihood of an answer before training."""


@dataclass(frozen=True, slots=True)
class Material:
    """The training examples of a run in token ids."""

    examples: Sequence[Any]
    """TokenizedPair or TokenizedAnswer, as the method takes them."""
    rendering: Rendering
    findings: tuple[Finding, ...]
    """What was left out, and weights that do not suit the data."""


def read_material(
    model: LoadedModel, data: PreparedData, spec: PreferenceTrainingJobSpec, stop: StopRequest
) -> Material:
    """Tokenize the training examples for the method of the resolved `spec`, whose weights are
    settled.

    Raises:
        DataRefused: too many examples cannot be used at this length.
        ModelUnavailable: the chat template cannot be trained with.
    """
    training = spec.training or TrainingSpec()
    tokenization = tokenization_of(
        model.tokenizer, model.end_marks, training.max_length, spec.dataset, data.scratch
    )
    finding = weight_finding(spec.method, data.train)
    unbalanced = (finding,) if finding else ()
    if data.kind == "Unpaired":
        found = tokenization.tokenize_answers(
            as_answers(data.train), data.conversational, between=stop.check
        )
        return Material(found.examples, found.rendering, (*found.findings, *unbalanced))
    pairs = tokenization.tokenize(as_pairs(data.train), data.conversational, between=stop.check)
    if method_of(spec.method).form == "Pairs":
        return Material(pairs.examples, pairs.rendering, pairs.findings)
    return Material(_apart(pairs.examples), pairs.rendering, (*pairs.findings, *unbalanced))


def _apart(pairs: Sequence[TokenizedPair]) -> Sequence[TokenizedAnswer]:
    """Pairs as labelled answers, the chosen one of each before the other."""
    return Lazy(2 * len(pairs), lambda position: pairs[position // 2].answers()[position % 2])


def desirable_tokens(material: Material, max_length: int) -> list[int]:
    """Lengths of the chosen, or of the good, answers in tokens, as they are trained on."""
    return [min(len(answer), max_length - len(prompt)) for prompt, answer in _desirable(material)]


def _desirable(material: Material) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    for example in material.examples:
        if isinstance(example, TokenizedPair):
            yield example.prompt, example.chosen
        elif example.desirable:
            yield example.prompt, example.answer


class Feed(Protocol):
    """A torch dataset with the examples of a whole run, in order."""

    def __len__(self) -> int:
        """Examples that will be seen."""

    def __getitem__(self, position: int) -> dict[str, Any]:
        """One example under the names that the method's collator takes."""

    def at_rest(self, measure: Measure | None) -> list[list[Any]]:
        """The micro-batches of the first step as they score before any update; without
        `measure` for losses to which the likelihoods do not matter.
        """

    def answer_tokens(self) -> float:
        """Mean length of the first step's desirable answers."""


class PairFeed:
    """Pairs for DPO, batches of similar lengths."""

    def __init__(
        self,
        pairs: Sequence[TokenizedPair],
        layout: Fit,
        training: TrainingSpec,
        pad_token: int,
        scorer: Scorer | None,
    ) -> None:
        self._pairs = pairs
        self._layout = layout
        self._max_length = training.max_length
        self._pad_token = pad_token
        self._order = training_order(
            [min(pair.length, training.max_length) for pair in pairs],
            layout.batch_size,
            layout.total_steps,
            training.seed,
        )
        self._references: Sequence[Likelihood] | None = None
        if scorer is not None:
            length = training.max_length
            self._references = scorer.references(
                Lazy(2 * len(pairs), lambda at: passages_of(pairs[at // 2], length)[at % 2])
            )

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, position: int) -> dict[str, Any]:
        index = self._order[position]
        pair = self._pairs[index]
        columns: dict[str, Any] = {
            "prompt_ids": list(pair.prompt),
            "chosen_ids": list(pair.chosen),
            "rejected_ids": list(pair.rejected),
        }
        if self._references is not None:
            columns["ref_chosen_logps"] = self._references[2 * index].counted
            columns["ref_rejected_logps"] = self._references[2 * index + 1].counted
        return columns

    def at_rest(self, measure: Measure | None) -> list[list[PairScore]]:
        """The micro-batches of the first step as they score before any update."""
        size = self._layout.micro_batch_size
        scores = [self._at_rest(pair, measure) for pair in self._first()]
        return [scores[start : start + size] for start in range(0, len(scores), size)]

    def answer_tokens(self) -> float:
        """Mean length of the first step's chosen answers."""
        first = self._first()
        return sum(len(pair.chosen) for pair in first) / len(first)

    def _first(self) -> list[TokenizedPair]:
        return [self._pairs[index] for index in self._order[: self._layout.batch_size]]

    def _at_rest(self, pair: TokenizedPair, measure: Measure | None) -> PairScore:
        if measure is None:
            return PairScore(UNKNOWN, UNKNOWN)
        chosen, rejected = passages_of(pair, self._max_length)
        return PairScore(untrained(measure(chosen)), untrained(measure(rejected)))


class OddsFeed(PairFeed):
    """Pairs for ORPO, whose collator takes whole sequences with labels, and cannot round the
    lengths up.
    """

    def __getitem__(self, position: int) -> dict[str, Any]:
        pair = self._pairs[self._order[position]]
        columns: dict[str, Any] = {
            "prompt_input_ids": list(pair.prompt),
            "prompt_attention_mask": [1] * len(pair.prompt),
        }
        for name, each in zip(
            ("chosen", "rejected"), passages_of(pair, self._max_length), strict=True
        ):
            multiple = self._layout.pad_to_multiple_of or 1
            filling = -each.length % multiple
            columns |= {
                f"{name}_input_ids": [*each.prompt, *each.answer] + [self._pad_token] * filling,
                f"{name}_attention_mask": [1] * each.length + [0] * filling,
                f"{name}_labels": [-100] * len(each.prompt) + [*each.answer] + [-100] * filling,
            }
        return columns


class AnswerFeed:
    """Labelled answers for KTO, good and bad ones mixed evenly.

    KTO compares each answer's gain with that of mismatched ones: every prompt with the previous
    answer of its micro-batch, as TRL builds them.
    """

    def __init__(
        self,
        answers: Sequence[TokenizedAnswer],
        layout: Fit,
        training: TrainingSpec,
        pad_token: int,
        scorer: Scorer | None,
    ) -> None:
        self._answers = answers
        self._layout = layout
        self._order = interleaved_order(
            [answer.desirable for answer in answers],
            layout.batch_size * layout.total_steps,
            training.seed,
        )
        self._references: Sequence[Likelihood] | None = None
        self._mismatched: Sequence[Likelihood] | None = None
        if scorer is not None:
            length = training.max_length
            self._references = scorer.references(
                Lazy(
                    len(answers), lambda at: passage(answers[at].prompt, answers[at].answer, length)
                )
            )
            self._mismatched = scorer.references(
                Lazy(
                    len(self._order),
                    lambda at: passage(self._at(at).prompt, self._previous(at).answer, length),
                )
            )

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, position: int) -> dict[str, Any]:
        answer = self._at(position)
        columns: dict[str, Any] = {
            "prompt_ids": list(answer.prompt),
            "completion_ids": list(answer.answer),
            "label": answer.desirable,
            "KL_completion_ids": list(self._previous(position).answer),
        }
        if self._references is not None and self._mismatched is not None:
            columns["ref_logps"] = self._references[self._order[position]].counted
            columns["ref_KL_logps"] = self._mismatched[position].counted
        return columns

    def at_rest(self, _measure: Measure | None) -> list[list[LabelledScore]]:
        """The micro-batches of the first step; only the labels matter."""
        size = self._layout.micro_batch_size
        scores = [LabelledScore(UNKNOWN, each.desirable, UNKNOWN) for each in self._first()]
        return [scores[start : start + size] for start in range(0, len(scores), size)]

    def answer_tokens(self) -> float:
        """Mean length of the first step's answers."""
        first = self._first()
        return sum(len(answer.answer) for answer in first) / len(first)

    def _first(self) -> list[TokenizedAnswer]:
        return [self._at(position) for position in range(self._layout.batch_size)]

    def _at(self, position: int) -> TokenizedAnswer:
        return self._answers[self._order[position]]

    def _previous(self, position: int) -> TokenizedAnswer:
        size = self._layout.micro_batch_size
        start = position - position % size
        return self._at(start + (position - start - 1) % size)


FEEDS: Final[Mapping[MethodType, type[PairFeed] | type[OddsFeed] | type[AnswerFeed]]] = {
    "DPO": PairFeed,
    "ORPO": OddsFeed,
    "KTO": AnswerFeed,
}


def make_feed(
    model: LoadedModel,
    material: Material,
    spec: PreferenceTrainingJobSpec,
    layout: Fit,
    stop: StopRequest,
) -> Feed:
    """The examples in the order of the whole run; with `training.precomputeReference` after a
    pass of the reference over all of them.

    Raises:
        Preempted: the process was asked to end.
    """
    training = spec.training or TrainingSpec()
    tail_weight = method_of(spec.method).objective(spec.method).tail_weight
    scorer = Scorer(model, layout, tail_weight, between=stop.check)
    return FEEDS[spec.method.type](
        material.examples,
        layout,
        training,
        model.tokenizer.pad_token_id,
        scorer if training.precompute_reference else None,
    )
