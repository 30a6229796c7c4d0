"""Log-probabilities of answers under the policy and under its reference.

The reference is the same model with the adapter switched off. Imports TRL when it scores, so
that must be after `model.loading` has imported Unsloth.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from preftrain_trainer.data.tokens import TokenizedAnswer, TokenizedPair
from preftrain_trainer.errors import InternalError
from preftrain_trainer.fit.layout import Fit
from preftrain_trainer.methods.scores import Likelihood, Score
from preftrain_trainer.model.loading import LoadedModel


@dataclass(frozen=True, slots=True)
class Passage:
    """A prompt and an answer as they are scored, cut to the longest length."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    shared: int
    """Answer tokens that count in full; those beyond are the tail of the pair's longer answer."""

    @property
    def length(self) -> int:
        """Tokens of both."""
        return len(self.prompt) + len(self.answer)


def passage(prompt: Sequence[int], answer: Sequence[int], max_length: int) -> Passage:
    """`answer` after `prompt`, cut like the library does: at the end."""
    cut = tuple(answer[: max_length - len(prompt)])
    return Passage(tuple(prompt), cut, len(cut))


def passages_of(
    pair: TokenizedPair | tuple[TokenizedAnswer, TokenizedAnswer], max_length: int
) -> tuple[Passage, Passage]:
    """The chosen and the rejected answer of a pair."""
    answers = pair.answers() if isinstance(pair, TokenizedPair) else pair
    first, second = (passage(each.prompt, each.answer, max_length) for each in answers)
    shared = min(len(first.answer), len(second.answer))
    return (
        Passage(first.prompt, first.answer, shared),
        Passage(second.prompt, second.answer, shared),
    )


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores passages with the model as it is.

    Attributes:
        model: with its adapter.
        layout: device, precision and batches.
        tail_weight: how much the tokens beyond the shorter answer of a pair count.
        prompts: whether the prompts' own likelihood is asked for.
        between: called before every batch; may raise.
    """

    model: LoadedModel
    layout: Fit
    tail_weight: float = 1.0
    prompts: bool = False
    between: Callable[[], None] = lambda: None

    def scores(self, passages: Sequence[Passage]) -> list[Score]:
        """Policy and reference, in the order of `passages`."""
        policy, reference = self._score(passages, with_policy=True)
        return [Score(ours, theirs) for ours, theirs in zip(policy, reference, strict=True)]

    def references(self, passages: Sequence[Passage]) -> list[Likelihood]:
        """The reference alone, in the order of `passages`."""
        return self._score(passages, with_policy=False)[1]

    def _score(
        self, passages: Sequence[Passage], *, with_policy: bool
    ) -> tuple[list[Likelihood], list[Likelihood]]:
        network = self.model.network
        policy: dict[int, Likelihood] = {}
        reference: dict[int, Likelihood] = {}
        with evaluating(network), _scoring_head(network):
            for positions in _batches(passages, 2 * self.layout.eval_batch_size):
                self.between()
                batch = [passages[at] for at in positions]
                if with_policy:
                    policy.update(zip(positions, self._batch(batch), strict=True))
                with network.disable_adapter():
                    reference.update(zip(positions, self._batch(batch), strict=True))
        return [policy[at] for at in sorted(policy)], [reference[at] for at in sorted(reference)]

    def _batch(self, batch: Sequence[Passage]) -> list[Likelihood]:
        import torch

        ids, mask, labels = (value.to(self.model.network.device) for value in self._padded(batch))
        with torch.no_grad(), autocast(self.layout):
            found = self.model.network(
                input_ids=ids,
                attention_mask=mask,
                labels=labels,
                use_cache=False,
                fused_lm_head=True,
            ).log_probs
        # Position n holds the score of token n + 1; libraries may put more before them.
        scores = found[:, -(ids.shape[1] - 1) :].double().cpu()
        return [self._likelihood(row, each) for row, each in zip(scores, batch, strict=True)]

    def _padded(self, batch: Sequence[Passage]) -> tuple[Any, Any, Any]:
        import torch

        multiple = self.layout.pad_to_multiple_of or 1
        width = -(-max(each.length for each in batch) // multiple) * multiple
        ids = torch.full((len(batch), width), self.model.tokenizer.pad_token_id)
        mask = torch.zeros((len(batch), width), dtype=torch.int64)
        labels = torch.full((len(batch), width), -100)
        for row, each in enumerate(batch):
            tokens = torch.tensor([*each.prompt, *each.answer])
            start = 0 if self.prompts else len(each.prompt)
            ids[row, : each.length] = tokens
            mask[row, : each.length] = 1
            labels[row, start : each.length] = tokens[start:]
        return ids, mask, labels

    def _likelihood(self, scores: Any, each: Passage) -> Likelihood:
        start = len(each.prompt) - 1
        answer = scores[start : start + len(each.answer)]
        head, tail = float(answer[: each.shared].sum()), float(answer[each.shared :].sum())
        return Likelihood(
            total=head + tail,
            tokens=len(each.answer),
            counted=head + self.tail_weight * tail,
            prompt=float(scores[:start].sum()) if self.prompts else 0.0,
            prompt_tokens=start if self.prompts else 0,
        )


def plain_likelihood(model: LoadedModel, layout: Fit, each: Passage) -> Likelihood:
    """The likelihood under the model as it is, from plain logits, one answer at a time.

    Shares no code with the losses that it checks, nor with `Scorer`.

    Raises:
        InternalError: the model returns something else than logits.
    """
    import torch

    network = model.network
    ids = torch.tensor([[*each.prompt, *each.answer]], device=network.device)
    with torch.no_grad(), autocast(layout):
        logits = network(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
    if logits.shape[1] != ids.shape[1]:
        raise InternalError(
            f"the model returned logits of shape {tuple(logits.shape)} for {ids.shape[1]} tokens"
        )
    losses = torch.nn.functional.cross_entropy(logits[0, :-1].float(), ids[0, 1:], reduction="none")
    start = len(each.prompt) - 1
    total = -float(losses[start:].double().sum())
    return Likelihood(
        total=total,
        tokens=len(each.answer),
        counted=total,
        prompt=-float(losses[:start].double().sum()),
        prompt_tokens=start,
    )


def autocast(layout: Fit) -> AbstractContextManager[Any]:
    """The mixed precision in which the trainer computes, for forwards outside of it."""
    import torch

    if layout.device.kind == "CPU":
        return nullcontext()
    dtype = torch.bfloat16 if layout.precision == "BF16" else torch.float16
    return torch.autocast("cuda", dtype=dtype)


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Switch dropout off while the block runs, and back to what it was."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


@contextmanager
def _scoring_head(network: Any) -> Iterator[None]:
    """Let the model score answers without whole logits while the block runs.

    Some of TRL's trainers add the same head for good, with more outputs than are needed here;
    others add none.
    """
    from trl.trainer.utils import add_fused_lm_head

    base = network.get_base_model()
    before = vars(base).get("forward")
    add_fused_lm_head(base, outputs=("log_probs",))
    try:
        yield
    finally:
        if before is None:
            del base.forward
        else:
            base.forward = before


def _batches(passages: Sequence[Passage], size: int) -> list[list[int]]:
    """Positions of similar lengths, longest first, so that too little memory shows at once."""
    ordered = sorted(range(len(passages)), key=lambda at: passages[at].length, reverse=True)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]
