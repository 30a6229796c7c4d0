"""Guards on real runs: one that destroys its model, and one that does not."""

import json
from pathlib import Path
from typing import Any

import pytest

from preftrain_api.exit_codes import ExitCode
from support.trainer_worker import TrainerWorker

from .conftest import Train

pytestmark = pytest.mark.trainer

STEPS = 32
DESTROYING = {"learningRate": 1e-2, "maxSteps": STEPS, "warmupRatio": 0.1}
GENTLE = {"learningRate": 1e-4, "maxSteps": STEPS, "warmupRatio": 0.1}
COLLAPSE = {"TokenAccuracy", "Entropy", "Displacement"}


def names(findings: list[dict[str, Any]]) -> set[str]:
    """Who spoke about the run itself; that the rate is unusual is known before."""
    return {finding["name"] for finding in findings} - {"Hyperparameters"}


def test_a_model_is_destroyed_while_every_pair_is_told_apart(train: Train, tmp_path: Path) -> None:
    """The reward figures are perfect; only what the model would write itself betrays it."""
    run = train(members={"training": DESTROYING}, rows=64, taught=True)
    assert run["error"] is None
    assert run["records"][-1]["reward_accuracy"] == 1.0
    assert run["evaluation"]["rewardAccuracy"] == 1.0
    assert names(run["findings"]) >= COLLAPSE
    assert {finding["severity"] for finding in run["findings"]} == {"Warning"}
    log = (tmp_path / "run" / "report" / "metrics.jsonl").read_text().splitlines()
    written = [finding for line in log for finding in json.loads(line).get("findings", ())]
    assert names(written) == names(run["findings"])


def test_a_healthy_run_is_left_in_peace(train: Train) -> None:
    """It learns as well, on the same pairs."""
    run = train(members={"training": GENTLE}, rows=64, taught=True)
    assert run["error"] is None
    assert run["records"][-1]["reward_accuracy"] == 1.0
    assert names(run["findings"]) == set()


def test_a_collapse_ends_the_run_where_it_is_asked_to(train: Train) -> None:
    """With 76, the guard, its figures and the way out; and long before the last step."""
    stop = [{"name": "TokenAccuracy", "action": "Stop"}]
    run = train(members={"training": DESTROYING, "guards": stop}, rows=64, taught=True)
    assert run["error"]["code"] == ExitCode.GUARD_STOPPED
    assert run["error"]["message"].startswith("TokenAccuracy: the accuracy on chosen tokens")
    assert "lower training.learningRate" in run["error"]["message"]
    assert "no adapter is published" in run["error"]["message"]
    assert len(run["records"]) < STEPS
    ending = [finding for finding in run["board_findings"] if finding["severity"] == "Error"]
    assert [(finding["name"], finding["step"]) for finding in ending] == [
        ("TokenAccuracy", len(run["records"]))
    ]


def test_what_an_evaluation_brings_up_stands_at_the_next_step(
    worker: TrainerWorker, tmp_path: Path
) -> None:
    """And ends the run there and then where it is asked to."""
    asked: dict[str, Any] = {"accuracies": [0.3, 0.3, 0.7, 0.7]}
    told = worker.play("reported", folder=str(tmp_path), guards=[], **asked)
    assert told["error"] is None
    lines = [json.loads(line) for line in told["lines"]]
    found = {line["step"]: names(line["findings"]) for line in lines if "findings" in line}
    assert found == {61: {"Overfit"}, 81: {"Overfit", "InvertedLabels"}}

    (tmp_path / "again").mkdir()
    stop = [{"name": "InvertedLabels", "action": "Stop"}]
    ended = worker.play("reported", folder=str(tmp_path / "again"), guards=stop, **asked)
    assert ended["error"].startswith("InvertedLabels: the held-out accuracy is 0.300")
    assert len(ended["lines"]) == 80
