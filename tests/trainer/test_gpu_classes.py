"""What Unsloth makes of TRL on a GPU, as far as that shows without one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.trainer

TRAINERS = {
    "DPO": "UnslothDPOTrainer",
    "ORPO": "UnslothORPOTrainer",
    "KTO": "UnslothKTOTrainer",
}


def test_the_classes_for_a_gpu_take_our_arguments(tmp_path: Path) -> None:
    """For every method: the generated configuration has exactly the fields we set and changes
    none; the trainer still adds the copy that we remove, and still scores without whole logits.
    A new version that changes any of this is noticed here, not on a GPU.
    """
    done = subprocess.run(
        [sys.executable, "-m", "support.gpu_classes", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    for method, trainer in TRAINERS.items():
        assert found[method]["error"] is None, method
        assert found[method]["trainer"] == trainer
        # On the CPU these are TRL's own, so this is the only place where the two are told apart.
        assert "_unsloth_model_msl" in found[method]["source"], method
    for method in ("DPO", "KTO"):
        assert 'model.add_adapter("ref"' in found[method]["source"], method
        assert "fused_lm_head=True" in found[method]["source"], method
    assert "_unsloth_pref_chunked_head" in found["ORPO"]["source"]
