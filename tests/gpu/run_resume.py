"""Interrupts whole jobs on a real GPU, resumes them, and compares the published weights.

    python tests/gpu/run_resume.py --data pairs.jsonl.gz --size 0.5B --steps 12

The job is run once undisturbed, then once for each signal: it gets the signal when half of its
steps are done, and the same command is given again. Dropout and gradient accumulation are on.
Takes the options of `run_smoke.py`. Prints a Markdown table; fails when weights differ.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

sys.path.append(str(Path(__file__).parents[1]))

from gpu import run_smoke as smoke  # needs the path above

PORT: Final = int(os.environ.get("PREFTRAIN_GPU_TEST_PORT", "18080"))
"""Where a run shows its progress; another one for each of several at a time."""
HEADER: Final = (
    "| run | interrupted by | exit code | went on after step | weights | start to end s |\n"
    "|---|---|---|---|---|---|"
)


def main() -> int:
    """Run the jobs and print the table; 1 when weights differ."""
    options = smoke._parser().parse_args()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    model = options.model or smoke.make_model(
        work / f"model-{options.size}", options.size, options.data
    )
    rows: list[str] = []
    same = True
    manifest: dict[str, Any] = {}
    for case in smoke.cases(options):
        manifest, told, digests = _compare(options, model, case)
        rows += told
        same = same and len(digests) == 1
    print(smoke.describe(options, manifest))
    print("\n".join([HEADER, *rows]))
    return 0 if same else 1


def _compare(
    options: argparse.Namespace, model: Path, case: smoke.Case
) -> tuple[dict[str, Any], list[str], set[str]]:
    """One undisturbed run and one for each signal: a manifest, rows, digests of the weights."""
    work: Path = options.work
    told = work / f"resume-{case.folder}.json"
    told.write_text(json.dumps(_job(smoke.job(options, model, case))))
    rows: list[str] = []
    digests: set[str] = set()
    manifest: dict[str, Any] = {}
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        out = work / f"out-{time.time_ns()}"
        started = time.monotonic()
        code = "" if number is None else str(_interrupted(told, out, number, options.steps // 2))
        _start(told, out).wait()
        published = next(out.rglob("manifest.json")).parent
        manifest = json.loads((published / "manifest.json").read_text())
        weights = (published / "adapter" / "adapter_model.safetensors").read_bytes()
        digests.add(hashlib.sha256(weights).hexdigest())
        cells = (
            case.folder,
            "nothing" if number is None else number.name,
            code,
            str(manifest["attempts"][-1]["startStep"]),
            hashlib.sha256(weights).hexdigest()[:16],
            f"{time.monotonic() - started:.0f}",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return manifest, rows, digests


def _job(job: dict[str, Any]) -> dict[str, Any]:
    spec = {**job["spec"], "lora": {"dropout": 0.1}, "checkpoint": {"everySteps": 2}}
    return {**job, "spec": spec}


def _start(told: Path, out: Path) -> "subprocess.Popen[bytes]":
    command: list[str | Path] = ["-m", "preftrain_trainer", "run", told, "--output", out]
    return subprocess.Popen(
        [sys.executable, *command, "--port", str(PORT)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=sys.stderr,
    )


def _interrupted(told: Path, out: Path, number: signal.Signals, step: int) -> int:
    """Start a job and send it a signal once `step` is done; returns its exit code."""
    process = _start(told, out)
    while process.poll() is None and _step() < step:
        time.sleep(0.05)
    process.send_signal(number)
    return process.wait()


def _step() -> int:
    try:
        with urlopen(f"http://127.0.0.1:{PORT}/progress", timeout=2) as answer:
            return int(json.loads(answer.read())["step"])
    except (URLError, OSError):
        return 0  # it does not listen yet


if __name__ == "__main__":
    sys.exit(main())
