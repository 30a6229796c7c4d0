"""Which of the evaluated adapters is the best, and whether training still pays. Pure.

A preference loss goes on falling while answers get worse: quality peaks before the end of the
first epoch at large KL budgets (arXiv 2406.02900, section 3). So where a run is evaluated on
the way, the best evaluated adapter is exported, not the last.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Final

from preftrain_api.report import Evaluation, Finding
from preftrain_api.spec.quality import EarlyStopping, EvalMetric
from preftrain_trainer.checkpoint.state import Selection

DEFAULT_METRIC: Final[EvalMetric] = "EvalLoss"
"""What is watched without early stopping."""

_GOODNESS: Final[Mapping[EvalMetric, Callable[[Evaluation], float | None]]] = {
    "RewardAccuracy": lambda evaluation: evaluation.reward_accuracy,
    "RewardAccuracyLowerBound": lambda evaluation: evaluation.accuracy_low,
    "RewardMargin": lambda evaluation: evaluation.reward_margin,
    "EvalLoss": lambda evaluation: None if evaluation.loss is None else -evaluation.loss,
    "ChosenLogRatio": lambda evaluation: evaluation.chosen_log_ratio,
}
"""Each figure so that more is better."""


def metric_of(rule: EarlyStopping | None) -> EvalMetric:
    """The figure that decides."""
    return rule.metric if rule else DEFAULT_METRIC


def after_evaluation(
    before: Selection, step: int, evaluation: Evaluation, rule: EarlyStopping | None
) -> Selection:
    """The selection once `step` has been evaluated.

    Any improvement makes the best adapter; only one by more than `minDelta` restores patience.
    A figure that is no number is no improvement.
    """
    metric = metric_of(rule)
    value = _GOODNESS[metric](evaluation)
    best = None if before.best_value is None else _sign(metric) * before.best_value
    gain = float("-inf")
    if value is not None and isfinite(value):
        gain = float("inf") if best is None else value - best
    enough = gain > (rule.min_delta if rule else 0)
    waited = 0 if enough else before.without_improvement + 1
    return before.model_copy(
        update={
            "evaluated_step": step,
            "without_improvement": waited,
            "ended": rule is not None and waited >= rule.patience,
            **(
                {"best_step": step, "best_value": _sign(metric) * value}
                if gain > 0 and value is not None
                else {}
            ),
        }
    )


def _sign(metric: EvalMetric) -> int:
    return -1 if metric == "EvalLoss" else 1


def told(
    selection: Selection, steps: int, total_steps: int, rule: EarlyStopping | None
) -> tuple[Finding, ...]:
    """What people should know of a run that was evaluated on the way and did `steps` steps."""
    best, metric = selection.best_step, metric_of(rule)
    findings = []
    if steps < total_steps and rule is not None:
        findings.append(
            Finding(
                name="EarlyStopping",
                severity="Info",
                message=f"training ended after step {steps} of {total_steps}, because {metric} "
                f"had not improved by more than {rule.min_delta:g} in {rule.patience} evaluations",
                step=steps,
            )
        )
    if best is not None and best != steps:
        findings.append(
            Finding(
                name="BestAdapter",
                severity="Info",
                message=f"the adapter of step {best} is the result, because its {metric} of "
                f"{selection.best_value:.4g} is better than that of the last step {steps}",
                step=best,
            )
        )
    return tuple(findings)
