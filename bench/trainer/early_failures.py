"""Measures how long a training pod takes to say that its storage or its data are no good.

    python bench/trainer/early_failures.py [--repeat 3]

It runs the real `preftrain train` as a process, with a `torch` that ends it when it is imported,
and prints exit code and wall time of each case.
"""

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

from preftrain_api.resolve import resolve
from preftrain_api.run_spec import RunIdentity, RunSpec
from preftrain_api.spec import PreferenceTrainingJobSpec

ROOT: Final = Path(__file__).parents[2]
KEYS: Final = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores usable", end=", ")
    print(f"Python {platform.python_version()}; median of {options.repeat}")
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as silent:
        root = Path(folder)
        _inputs(root)
        with socket.create_server(("127.0.0.1", 0)) as closed:
            nobody = closed.getsockname()[1]
        for name, output in (
            ("refused data", {"uri": "pvc://results/x"}),
            ("a store that nobody serves", _s3(nobody)),
            ("a store that is silent", _s3(silent.getsockname()[1])),
        ):
            runs = [_run(root, output) for _ in range(options.repeat)]
            codes = ", ".join(sorted({str(code) for code, _ in runs}))
            seconds = median(seconds for _, seconds in runs)
            print(f"{name:>28}  exit code {codes} after {seconds:.1f} s")
    return 0


def _s3(port: int) -> dict[str, Any]:
    return {"uri": "s3://results", "s3": {"endpoint": f"http://127.0.0.1:{port}"}}


def _inputs(root: Path) -> None:
    """A model's folder without tensors, and pairs that are no pairs."""
    model, data = root / "volumes" / "model" / "base", root / "volumes" / "dataset" / "pairs"
    model.mkdir(parents=True)
    (model / "config.json").write_text('{"model_type": "llama"}')
    (model / "model.safetensors").write_bytes(b"weights")
    data.mkdir(parents=True)
    row = {"prompt": "What is it?", "chosen": "The same.", "rejected": "The same."}
    (data / "train.jsonl").write_text(f"{json.dumps(row)}\n" * 1000)
    torch = root / "pretended" / "torch"
    torch.mkdir(parents=True)
    (torch / "__init__.py").write_text("raise SystemExit('torch was imported')")


def _run(root: Path, output: dict[str, Any]) -> tuple[int, float]:
    """Exit code and wall seconds of one pod."""
    raw = {
        "model": {"uri": "pvc://models/base", "quantization": "None"},
        "dataset": {"uri": "pvc://data/pairs"},
        "method": {"type": "DPO"},
        "output": output,
        "compute": {"accelerator": "CPU"},
    }
    spec = resolve(PreferenceTrainingJobSpec.parse(raw))
    identity = RunIdentity(namespace="bench", name="early", uid="u", revision=1, attempt=1)
    told = root / "run.json"
    told.write_text(
        RunSpec(identity=identity, stage="Train", spec=spec).model_dump_json(
            by_alias=True, exclude_none=True
        )
    )
    path = [root / "pretended", ROOT / "operator", ROOT / "trainer-image"]
    environment = {
        **os.environ,
        **KEYS,
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PREFTRAIN_WORK_DIR": str(root / "work"),
        "PREFTRAIN_VOLUMES_DIR": str(root / "volumes"),
        "PREFTRAIN_CACHE_DIR": str(root / "cache"),
        "PREFTRAIN_TERMINATION_LOG": str(root / "result.json"),
        "PREFTRAIN_PORT": "0",
    }
    command = [sys.executable, "-m", "preftrain_trainer", "train", "--run-spec", str(told)]
    started = time.monotonic()
    ended = subprocess.run(command, env=environment, capture_output=True, check=False)
    return ended.returncode, time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main())
