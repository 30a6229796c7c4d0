"""Strings for the columns of `kubectl get`, which can print fields but not compute."""

from preftrain_api.reasons import ConditionType
from preftrain_api.status import Display, PreferenceTrainingJobStatus
from preftrain_operator.core.conditions import is_true


def display(state: str, reason: str, status: PreferenceTrainingJobStatus) -> Display:
    """The columns of a job in `state`; columns without a value stay absent."""
    progress, metrics = status.progress, status.metrics
    attempt = status.attempts[-1] if status.attempts else None
    is_running = is_true(status.conditions, ConditionType.RUNNING)
    accuracy = margin = loss = None
    if metrics is not None:
        loss = decimal(metrics.loss)
        accuracy = decimal(_first(metrics.eval_reward_accuracy, metrics.reward_accuracy))
        margin = decimal(_first(metrics.eval_reward_margin, metrics.reward_margin))
    eta = None
    # What a pod estimated says nothing while none is at work.
    if progress is not None and progress.eta_seconds is not None and is_running:
        eta = duration(progress.eta_seconds)
    return Display(
        state=state,
        progress=None if progress is None else steps(progress.step, progress.total_steps),
        loss=loss,
        eta=eta,
        accuracy=accuracy,
        margin=margin,
        node=None if attempt is None else attempt.node,
        reason=reason,
    )


def steps(step: int, total: int) -> str | None:
    """For example `420/1000 42%`; absent while the total is unknown."""
    return f"{step}/{total} {100 * step // total}%" if total else None


def duration(seconds: float) -> str:
    """For example `3m20s`, in the two largest units."""
    left = max(0, round(seconds))
    days, left = divmod(left, 86_400)
    hours, left = divmod(left, 3600)
    minutes, rest = divmod(left, 60)
    if days:
        return f"{days}d{hours}h"
    if hours:
        return f"{hours}h{minutes}m"
    if minutes:
        return f"{minutes}m{rest}s"
    return f"{rest}s"


def decimal(value: float | None) -> str | None:
    """Four significant digits."""
    return None if value is None else f"{value:.4g}"


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
