"""Small checkpoints for tests that need no torch."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from preftrain_api.manifest import AttemptRecord
from preftrain_trainer.checkpoint.local import seal
from preftrain_trainer.checkpoint.state import ADAPTER, STEPS, ResumeState, RunKey
from preftrain_trainer.checkpoint.uploads import Written

KEY = RunKey(
    spec_hash=f"sha256:{'1' * 64}",
    data_digest=f"sha256:{'2' * 64}",
    micro_batch_size=2,
    precision="FP32",
)


def write(folder: Path, step: int, **fields: Any) -> Written:
    """A checkpoint of `step` that is complete but not sealed; its tensors tell the step."""
    folder.mkdir(parents=True)
    save_file({"lora_A.weight": np.full((2, 3), step, np.float32)}, folder / ADAPTER)
    (folder / STEPS).write_text("".join(f'{{"step": {n}}}\n' for n in range(1, step + 1)))
    attempt = AttemptRecord(number=1, pod_uid="pod-1", start_step=0, end_step=step, seconds=1.0)
    values: dict[str, Any] = {
        "key": KEY,
        "step": step,
        "total_steps": 100,
        "examples": 8 * step,
        "last_record": {"step": step, "loss": 0.5},
        "attempts": (attempt,),
        "versions": {},
        "environment": {},
    }
    return Written(step, folder, partial(ResumeState, **values | fields))


def sealed(folder: Path, step: int, **fields: Any) -> ResumeState:
    """A whole checkpoint of `step`."""
    return seal(folder, write(folder, step, **fields).describe)
