"""Made records of runs that guards are tried on: healthy ones, and ways to spoil them."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import log
from typing import Any

from preftrain_api.report import Evaluation
from preftrain_api.spec import GuardRule
from preftrain_api.spec.method import MethodType
from preftrain_trainer.guards.book import GuardBook
from preftrain_trainer.guards.rules import RunFacts
from preftrain_trainer.progress.records import StepRecord

STEPS = 120

FACTS = RunFacts(
    method="DPO",
    losses=frozenset({"Sigmoid"}),
    beta=0.1,
    chosen_tokens=100.0,
    total_steps=STEPS,
    warmup_steps=10,
    steps_per_epoch=100.0,
    start_loss=log(2),
    expected=None,
)
KTO = replace(FACTS, method="KTO", losses=frozenset(), start_loss=0.5)
ORPO = replace(FACTS, method="ORPO", losses=frozenset(), start_loss=None)
FACTS_OF: dict[MethodType, RunFacts] = {"DPO": FACTS, "KTO": KTO, "ORPO": ORPO}


def healthy(method: MethodType = "DPO", steps: int = STEPS, seed: int = 0) -> list[StepRecord]:
    """A run that learns, with the noise of batches of eight pairs of similar lengths."""
    chance = random.Random(seed)  # noqa: S311  # no secret is made
    return [_healthy(method, step, steps, chance) for step in range(1, steps + 1)]


def _healthy(method: MethodType, step: int, steps: int, chance: random.Random) -> StepRecord:
    done = (step - 1) / steps
    # Batches hold similar lengths, so log-probabilities of whole answers differ manifold.
    tokens = chance.choice([20, 60, 100, 220])
    margin = 0.8 * done + chance.gauss(0, 0.05) * (step > 1)
    chosen = -0.02 * tokens * 0.1 * done
    record = StepRecord(
        step=step,
        seconds=1.0,
        loss=log(2) - 0.4 * margin,
        grad_norm=chance.uniform(1, 3),
        learning_rate=5e-6,
        reward_margin=margin,
        reward_accuracy=min(1.0, 0.5 + 0.3 * done + chance.uniform(-0.1, 0.1)),
        rewards_chosen=chosen,
        rewards_rejected=chosen - margin,
        log_probability_chosen=-1.5 * tokens + chosen / 0.1,
        log_probability_rejected=-1.6 * tokens,
        entropy=chance.uniform(1.8, 2.2),
        token_accuracy=chance.uniform(0.52, 0.58),
    )
    if method == "KTO":
        return replace(record, reward_accuracy=None, token_accuracy=None, kl=2.0 * done)
    if method == "ORPO":
        return replace(
            record,
            entropy=None,
            token_accuracy=None,
            negative_log_likelihood=1.5 - 0.1 * done,
            log_odds_ratio=-0.7 + 0.3 * done,
            log_odds_chosen=0.3 * done,
        )
    return record


def spoilt(
    records: Iterable[StepRecord], since: int, **figures: Callable[[StepRecord], float | None]
) -> list[StepRecord]:
    """The records with other figures from step `since` on."""
    return [
        replace(record, **_made(record, figures)) if record.step >= since else record
        for record in records
    ]


def _made(
    record: StepRecord, figures: dict[str, Callable[[StepRecord], float | None]]
) -> dict[str, Any]:
    return {name: make(record) for name, make in figures.items()}


def always(value: float | None) -> Callable[[StepRecord], float | None]:
    """A figure that is the same at every step."""
    return lambda _record: value


def said(
    records: Sequence[StepRecord],
    facts: RunFacts = FACTS,
    *asked: dict[str, Any],
) -> list[tuple[int | None, str, str]]:
    """Step, name and severity of all findings of a run, in order."""
    book = GuardBook([GuardRule.parse(rule) for rule in asked], facts)
    for record in records:
        book.record(record)
    return [(finding.step, finding.name, finding.severity) for finding in book.findings]


def evaluation(accuracy: float, **figures: Any) -> Evaluation:
    """A judgement on 200 held-out pairs; a margin of the sign that suits the accuracy."""
    return Evaluation(
        **{
            "pairs": 200,
            "reward_accuracy": accuracy,
            "accuracy_low": max(0.0, accuracy - 0.05),
            "accuracy_high": min(1.0, accuracy + 0.05),
            "reward_margin": accuracy - 0.5,
            "loss": 0.6,
            **figures,
        }
    )
