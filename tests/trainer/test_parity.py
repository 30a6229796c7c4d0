"""Every method and loss, side by side: this trainer, plain TRL, and the papers in 64 bits.

Same tokens, same weights, same adapter before each of the first five steps.
"""

import json
import os
import subprocess
import sys
from math import log
from statistics import fmean
from typing import Any

import pytest

from preftrain_api.spec.method import DpoLossType
from preftrain_trainer.methods.labels import weighted
from preftrain_trainer.methods.losses import LOSSES
from preftrain_trainer.methods.scores import LabelledScore, Likelihood, PairScore, Score
from preftrain_trainer.methods.table import method_of
from support.parity_cases import BETA, CASES, STEPS
from support.specs import resolved_spec
from support.trainer_worker import TrainerWorker

pytestmark = pytest.mark.trainer

LOSS, MARGIN = 1e-4, 1e-3
"""Allowed differences; that of the loss relative to the larger of 1 and the loss."""

START: dict[str, float] = {
    "Sigmoid": log(2),
    "Hinge": 1.0,
    "IPO": (1 / (2 * BETA)) ** 2,
    "ExoPair": -log(2) - (log(0.001) + log(0.999)) / 2,
    "NCAPair": 2 * log(2),
    "Robust": log(2),
    "BCOPair": 2 * log(2),
    "SPPOHard": 2 * (0.5 / BETA) ** 2,
    "AOT": log(2),
    "AOTUnpaired": log(2),
    "APOZero": 1.0,
    "APODown": 1.0,
    "Discopop": (1 + log(2)) / 2,
    "SigmoidNorm": log(2),
    "LengthDesensitised": log(2),
    "KTO": 0.5,
    "KTOAboveZero": 0.25,
    "APOZeroUnpaired": 0.6,
}
"""The loss before any update; of the others it depends on the data."""


@pytest.fixture(scope="session")
def sides(
    worker: TrainerWorker, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What this trainer logged, and what TRL and plain logits say of the same examples."""
    folder = tmp_path_factory.mktemp("parity")
    ours = worker.play("parity", folder=str(folder))
    done = subprocess.run(
        [sys.executable, "-m", "support.parity_trl", str(folder)],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return ours, json.loads(done.stdout)


def test_every_loss_is_a_case() -> None:
    """A new entry of the table is compared, too."""
    assert set(LOSSES) <= set(CASES)
    with_constant: set[DpoLossType] = {n for n, loss in LOSSES.items() if loss.start is not None}
    assert with_constant == set(LOSSES) & set(START)
    assert len(with_constant) == 14


@pytest.mark.parametrize("case", CASES)
def test_losses_and_margins_are_those_of_plain_trl(sides: Any, case: str) -> None:
    """At every step, on the adapter as it was before it."""
    ours, theirs = sides[0][case], sides[1][case]
    assert len(ours) == len(theirs) == STEPS
    for own, other in zip(ours, theirs, strict=True):
        assert own["loss"] == pytest.approx(other["loss"], abs=LOSS * max(1, abs(other["loss"])))
        assert own["margin"] == pytest.approx(other["margin"], abs=MARGIN)
    assert abs(ours[-1]["margin"] - ours[0]["margin"]) > 10 * MARGIN, "it did not learn"


@pytest.mark.parametrize("case", CASES)
def test_losses_and_margins_are_those_of_the_papers(sides: Any, case: str) -> None:
    """The table's formulas on log-probabilities in 64 bits."""
    spec = resolved_spec(method=CASES[case]).method
    method = method_of(spec)
    objective = method.objective(weighted(spec, 1, 1) if method.form == "Answers" else spec)
    build = {"Pairs": _pair, "Answers": _labelled}[method.form]
    for own, step in zip(sides[0][case], sides[1][case], strict=True):
        batch = [build(example, objective.tail_weight) for example in step["answers"]]
        loss = objective.loss(batch)
        assert own["loss"] == pytest.approx(loss, abs=LOSS * max(1, abs(loss)))
        assert own["margin"] == pytest.approx(_margin(objective, batch), abs=MARGIN)


def test_a_case_has_mismatched_answers_that_gained(sides: Any) -> None:
    """Below 0 the point of comparison is cut, and would not be compared."""
    last = sides[1]["KTOAboveZero"][-1]["answers"]
    gains = [sum(a["mismatched"]["policy"]) - sum(a["mismatched"]["reference"]) for a in last]
    assert fmean(gains) > 0.5


@pytest.mark.parametrize("case", START)
def test_the_first_loss_is_the_constant(sides: Any, case: str) -> None:
    """Within 1e-5, relative to the larger of 1 and the constant."""
    first = sides[0][case][0]["loss"]
    assert first == pytest.approx(START[case], abs=1e-5 * max(1, START[case]))


def _pair(example: dict[str, Any], tail_weight: float) -> PairScore:
    shared = min(len(example[name]["policy"]) for name in ("chosen", "rejected"))
    return PairScore(
        *(_score(example[name], shared, tail_weight) for name in ("chosen", "rejected"))
    )


def _labelled(example: dict[str, Any], _tail_weight: float) -> LabelledScore:
    answer, mismatched = (
        _score(example[name], len(example[name]["policy"]), 1.0)
        for name in ("answer", "mismatched")
    )
    return LabelledScore(answer, example["label"], mismatched)


def _score(tokens: dict[str, list[float]], shared: int, tail_weight: float) -> Score:
    policy, reference = (
        Likelihood(
            total=sum(tokens[name]),
            tokens=len(tokens[name]),
            counted=sum(tokens[name][:shared]) + tail_weight * sum(tokens[name][shared:]),
            prompt=sum(tokens["prompt"]),
            prompt_tokens=len(tokens["prompt"]),
        )
        for name in ("policy", "reference")
    )
    return Score(policy, reference)


def _margin(objective: Any, batch: list[Any]) -> float:
    if isinstance(batch[0], PairScore):
        return fmean(objective.reward(p.chosen) - objective.reward(p.rejected) for p in batch)
    good = fmean(objective.reward(each.answer) for each in batch if each.desirable)
    return good - fmean(objective.reward(each.answer) for each in batch if not each.desirable)
