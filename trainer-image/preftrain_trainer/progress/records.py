"""One optimizer step as the training library logged it, in our own terms. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Any, Final

from preftrain_api.report import Metrics

_LOGGED_AS: Final = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "reward_margin": "rewards/margins",
    "reward_accuracy": "rewards/accuracies",
    "rewards_chosen": "rewards/chosen",
    "rewards_rejected": "rewards/rejected",
    "log_probability_chosen": "logps/chosen",
    "log_probability_rejected": "logps/rejected",
    "entropy": "entropy",
    "token_accuracy": "mean_token_accuracy",
    "tokens": "num_tokens",
    "kl": "kl",
    "negative_log_likelihood": "nll_loss",
    "log_odds_ratio": "log_odds_ratio",
    "log_odds_chosen": "log_odds_chosen",
    "logits_chosen": "logits/chosen",
    "logits_rejected": "logits/rejected",
}


@dataclass(frozen=True, slots=True)
class StepRecord:
    """The figures of one optimizer step; None where the method does not log one.

    Means over the micro-batches of the step. `grad_norm` is taken before clipping, `tokens`
    counts from the start of this process.
    """

    step: int
    seconds: float | None = None
    loss: float | None = None
    grad_norm: float | None = None
    learning_rate: float | None = None
    reward_margin: float | None = None
    reward_accuracy: float | None = None
    rewards_chosen: float | None = None
    rewards_rejected: float | None = None
    log_probability_chosen: float | None = None
    log_probability_rejected: float | None = None
    entropy: float | None = None
    token_accuracy: float | None = None
    tokens: float | None = None
    kl: float | None = None
    """KTO: mean log-ratio of mismatched answers in nats, at least 0."""
    negative_log_likelihood: float | None = None
    """ORPO: of a token of prompt and chosen answer, in nats."""
    log_odds_ratio: float | None = None
    """ORPO: log sigma(log odds of chosen over rejected); rises towards 0."""
    log_odds_chosen: float | None = None
    """ORPO: log odds of chosen over rejected."""
    logits_chosen: float | None = None
    """Mean over the vocabulary, and over the tokens of the chosen answers."""
    logits_rejected: float | None = None

    @classmethod
    def of_log(
        cls, step: int, log: Mapping[str, float], seconds: float | None = None
    ) -> "StepRecord":
        """Read what the trainer passed to its callbacks after `step`."""
        figures = {name: log.get(key) for name, key in _LOGGED_AS.items()}
        return cls(step=step, seconds=seconds, **figures)

    @classmethod
    def of_plain(cls, values: Mapping[str, Any]) -> "StepRecord":
        """Read what `plain` made; figures that this release does not know are left out."""
        known = {field.name for field in fields(cls)} - {"step"}
        figures = {name: float(value) for name, value in values.items() if name in known}
        return cls(step=values["step"], **figures)

    def metrics(self) -> Metrics:
        """The few figures that are shown to people; non-finite ones are left out."""
        return Metrics(
            loss=_shown(self.loss),
            reward_margin=_shown(self.reward_margin),
            reward_accuracy=_shown(self.reward_accuracy),
            rewards_chosen=_shown(self.rewards_chosen),
            rewards_rejected=_shown(self.rewards_rejected),
            learning_rate=_shown(self.learning_rate),
            grad_norm=_shown(self.grad_norm),
        )

    def plain(self) -> dict[str, Any]:
        """JSON data for `report/metrics.jsonl`; figures that are no numbers become text."""
        return {
            name: value if _shown(value) is not None else str(value)
            for name, value in asdict(self).items()
            if value is not None
        }


def _shown(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
