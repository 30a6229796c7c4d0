"""An exported adapter in the hands of its users."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.tiny_model import CHATML

from .conftest import Train

pytestmark = pytest.mark.trainer


def test_plain_peft_loads_the_adapter_with_the_same_logits(train: Train, tmp_path: Path) -> None:
    """In a process without Unsloth; the adapter does something, and names its base model."""
    run = train(
        members={"training": {"learningRate": 1e-2, "maxSteps": 3, "warmupRatio": 0.0}},
        export=True,
    )
    folder = tmp_path / "run" / "adapter"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "support.plain_peft",
            str(tmp_path / "run" / "model"),
            str(folder),
            json.dumps(run["export"]["ids"]),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HF_HUB_OFFLINE": "1"},
    )
    plain = json.loads(done.stdout)
    assert not plain["unsloth"]
    ours = run["export"]["logits"]
    for row, expected in zip(plain["logits"], ours, strict=True):
        assert row == pytest.approx(expected, abs=1e-5)
    assert plain["base_logits"][-1] != pytest.approx(ours[-1], abs=1e-2)
    assert plain["template"] == CHATML

    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == f"file://{tmp_path}/run/model"
    assert config["r"] == 16
    assert run["export"]["files"] == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
