"""An exported adapter, and merged weights, in the hands of their users."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.tiny_model import CHATML
from support.trainer_worker import TrainerWorker
from support.vllm_rules import vllm_problems

pytestmark = pytest.mark.trainer

LEARNT = {"training": {"learningRate": 1e-2, "maxSteps": 3, "warmupRatio": 0.0}}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def exported(worker: TrainerWorker, root: Path) -> dict[str, Any]:
    """One run whose adapter has learnt something, exported both ways."""
    run: dict[str, Any] = worker.play("training", folder=str(root), members=LEARNT, export=True)
    assert run["error"] is None
    answer: dict[str, Any] = run["export"]
    return answer


@pytest.fixture(scope="module")
def plain(exported: dict[str, Any], root: Path) -> dict[str, Any]:
    """Both exports in a process without Unsloth."""
    ids = json.dumps(exported["ids"])
    done = subprocess.run(
        [
            *(sys.executable, "-m", "support.plain_peft"),
            *(str(root / name) for name in ("model", "adapter", "merged")),
            ids,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HF_HUB_OFFLINE": "1"},
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_plain_peft_loads_the_adapter_with_the_same_logits(
    exported: dict[str, Any], plain: dict[str, Any], root: Path
) -> None:
    """In a process without Unsloth; the adapter does something, and names its base model."""
    folder = root / "adapter"
    assert not plain["unsloth"]
    ours = exported["logits"]
    for row, expected in zip(plain["logits"], ours, strict=True):
        assert row == pytest.approx(expected, abs=1e-5)
    assert plain["base_logits"][-1] != pytest.approx(ours[-1], abs=1e-2)
    assert plain["template"] == CHATML

    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == f"file://{root}/model"
    assert config["r"] == 16
    assert exported["files"] == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_vllm_would_load_the_adapter(exported: dict[str, Any], root: Path) -> None:
    """Fields, names and shapes of tensors, by its rules."""
    del exported
    linear = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert vllm_problems(root / "adapter", linear) == []
    assert vllm_problems(root / "adapter", linear - {"o_proj"}) != []


def test_plain_transformers_loads_the_merged_weights_with_the_same_logits(
    exported: dict[str, Any], plain: dict[str, Any]
) -> None:
    """Several shards of 16-bit weights, close to the adapter and far from the base."""
    merged = exported["merged"]
    assert plain["merged_libraries"] == []
    assert plain["merged_dtype"] == "torch.bfloat16"
    assert "quantization_config" not in plain["merged_config"]
    assert plain["merged_template"] == CHATML
    ours, theirs = np.array(exported["logits"]), np.array(plain["merged_logits"])
    assert np.abs(ours - theirs).max() / ours.std() < merged["check"]["tolerance"]

    assert [name for name in merged["files"] if name.startswith("model-")] == [
        f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)
    ]
    assert "model.safetensors.index.json" in merged["files"]


def test_the_check_of_merged_weights_sees_how_close_they_are(exported: dict[str, Any]) -> None:
    """Rounding to 16 bits costs little beside what the adapter does."""
    check = exported["merged"]["check"]
    assert check["dtype"] == "BF16"
    assert check["tokens"] > 50
    assert 0 < check["largestDifference"] < check["tolerance"] < check["largestEffect"]
    assert check["retained"] == pytest.approx(1, abs=0.01)


def test_a_base_in_4_bits_is_merged_as_the_adapter_saw_it(
    worker: TrainerWorker, root: Path
) -> None:
    """Into its dequantized weights, whose names and shapes are those of a model without
    quantization. On the full ones the adapter computes something else by more than is allowed.
    """
    found = worker.play("merging_in_4_bits", folder=str(root / "nf4"))
    assert "Params4bit" in found["parameters"]
    assert found["check"]["largestDifference"] < found["check"]["tolerance"]
    assert found["on_full_weights"] > found["check"]["tolerance"]
