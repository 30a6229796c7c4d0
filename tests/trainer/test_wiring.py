"""What the libraries make of our orders, and what happens when they disobey."""

import json
import math
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from preftrain_api.exit_codes import ExitCode
from support.tiny_model import NO_END_MARK, THINKING
from support.trainer_worker import TrainerWorker

from .conftest import Train

pytestmark = pytest.mark.trainer

FAST = {"learningRate": 1e-3, "maxSteps": 3, "warmupRatio": 0.0}


def test_only_the_trained_adapter_remains(train: Train) -> None:
    """TRL's copy `ref` is gone, and what is trained is float32."""
    run = train(members={"training": FAST})
    assert run["adapters"] == ["default"]
    assert run["dtypes"] == ["torch.float32"]


def test_a_misspelt_argument_is_noticed(worker: TrainerWorker) -> None:
    """The real configuration class is asked for its fields before it is trusted."""
    message = worker.play("unknown_argument", name="learnig_rate")
    assert "has no argument learnig_rate" in message


def test_evaluation_matches_a_computation_by_hand(train: Train) -> None:
    """Accuracy, margin, loss and log-ratio from plain logits in 64 bits, pair by pair."""
    beta = 0.25
    run = train(
        members={
            "training": FAST | {"learningRate": 5e-3},
            "method": {"type": "DPO", "dpo": {"beta": beta}},
        },
        held_out=9,
        by_hand=True,
    )
    pairs = run["by_hand"]
    chosen = [pair["chosen"] - pair["ref_chosen"] for pair in pairs]
    rejected = [pair["rejected"] - pair["ref_rejected"] for pair in pairs]
    margins = [beta * (a - b) for a, b in zip(chosen, rejected, strict=True)]
    evaluation = run["evaluation"]
    assert evaluation["pairs"] == 9
    assert evaluation["rewardAccuracy"] == fmean(margin > 0 for margin in margins)
    assert evaluation["rewardMargin"] == pytest.approx(fmean(margins), abs=1e-3)
    assert evaluation["chosenLogRatio"] == pytest.approx(fmean(chosen), abs=1e-3)
    assert evaluation["loss"] == pytest.approx(
        fmean(math.log1p(math.exp(-margin)) for margin in margins), abs=1e-4
    )
    assert abs(fmean(margins)) > 0.05
    assert [pair["row"] for pair in run["margins"]] == list(range(25, 34))
    assert [pair["margin"] for pair in run["margins"]] == pytest.approx(margins, abs=1e-3)
    assert [pair["chosen_tokens"] for pair in run["margins"]] == [
        pair["chosen_tokens"] for pair in pairs
    ]


def test_evaluation_every_few_steps(train: Train) -> None:
    """Training goes on where it was, and the last evaluation is the run's."""
    plain = train("plain", members={"training": FAST | {"maxSteps": 4}})
    often = train(
        "often", members={"training": FAST | {"maxSteps": 4}, "evaluation": {"everySteps": 1}}
    )
    assert often["phases"].count("Evaluating") == 4
    assert often["evaluated_at"] == [1, 2, 3, 4]
    assert often["end_hash"] == plain["end_hash"]


def test_steps_are_written_down(train: Train, tmp_path: Path) -> None:
    """One line of JSON a step."""
    run = train(members={"training": FAST})
    lines = (tmp_path / "run" / "report" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3]
    assert json.loads(lines[-1])["loss"] == run["records"][-1]["loss"]


def test_conversations_are_rendered_by_the_template(train: Train) -> None:
    """System turns and all; TRL's own tokens agree, or the run would have stopped."""
    run = train(members={"training": FAST}, conversational=True)
    assert (run["error"], run["rendering"]) == (None, "ChatTemplate")


def test_plain_text_trains_where_there_is_no_template(train: Train) -> None:
    """And is said to have been rendered so."""
    run = train(members={"training": FAST}, template=None)
    assert (run["error"], run["rendering"]) == (None, "PlainText")


@pytest.mark.parametrize(
    ("template", "conversational", "says"),
    [
        (None, True, "has no chat template"),
        (NO_END_MARK, False, "does not end with an end-of-sequence token"),
        (THINKING, False, "renders differently once an answer follows"),
    ],
)
def test_templates_that_cannot_be_trained_with_are_refused(
    train: Train, template: str | None, conversational: bool, says: str
) -> None:
    """TRL would warn once and train on something else."""
    run = train(members={"training": FAST}, template=template, conversational=conversational)
    assert run["error"]["code"] == ExitCode.MODEL_UNAVAILABLE
    assert says in run["error"]["message"]


@pytest.mark.parametrize(
    ("members", "code", "says"),
    [
        (
            {"training": {"maxLength": 1024}},
            ExitCode.BAD_SPEC,
            "training.maxLength is 1024, but file://",
        ),
        (
            {"lora": {"targetModules": ["q_proj", "qkv"]}},
            ExitCode.BAD_SPEC,
            "lora.targetModules: qkv not found in this model; it has down_proj, gate_proj",
        ),
        (
            {"model": {"quantization": "NF4"}},
            ExitCode.BAD_SPEC,
            "model.quantization must be None when compute.accelerator is CPU",
        ),
        (
            {"training": {"maxLength": 24}},
            ExitCode.DATA_REFUSED,
            "raise training.maxLength",
        ),
    ],
)
def test_what_does_not_fit_the_model_is_refused_by_name(
    train: Train, members: dict[str, Any], code: ExitCode, says: str
) -> None:
    """Each with its exit code and the field."""
    run = train(members=members)
    assert run["error"]["code"] == code
    assert says in run["error"]["message"]


def test_a_false_reference_stops_the_run(train: Train) -> None:
    """An adapter that is not fresh makes policy and reference differ at the first step."""
    run = train(members={"training": FAST}, spoil="adapter")
    assert run["error"]["code"] == ExitCode.GUARD_STOPPED
    assert "StepOneIdentity" in run["error"]["message"]
    assert "0.693147" in run["error"]["message"]


def test_a_false_reference_stops_a_run_with_dropout(train: Train) -> None:
    """There the check comes before the first step."""
    run = train(members={"training": FAST, "lora": {"dropout": 0.1}}, spoil="adapter")
    assert run["error"]["code"] == ExitCode.GUARD_STOPPED
    assert run["records"] == []


@pytest.mark.fault(19)
def test_a_loss_that_is_no_number_stops_the_run(train: Train) -> None:
    """At the step where it appears."""
    run = train(members={"training": FAST}, spoil="weights")
    assert run["error"]["code"] == ExitCode.GUARD_STOPPED
    assert "NonFinite" in run["error"]["message"]
    assert len(run["records"]) == 1


@pytest.mark.fault(42)
def test_a_request_to_end_stops_training(train: Train) -> None:
    """With 75, and the sentence says what is lost."""
    run = train(members={"training": FAST | {"maxSteps": 50}}, stop_after=2)
    assert run["error"]["code"] == ExitCode.PREEMPTED
    assert "after step 2 of 50" in run["error"]["message"]
    assert len(run["records"]) == 2


@pytest.mark.fault(11)
def test_exhausted_gpu_memory_ends_with_advice(worker: TrainerWorker) -> None:
    """77, what was being done, and which fields to lower."""
    found = worker.play("out_of_memory")
    assert found["code"] == ExitCode.OUT_OF_GPU_MEMORY
    assert found["message"].startswith("training: CUDA out of memory; lower")
    assert "training.microBatchSize" in found["message"]
