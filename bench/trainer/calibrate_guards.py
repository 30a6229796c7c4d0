"""Calibrates the guards on many short runs of a real model, and reports false alarms and catches.

    python bench/trainer/calibrate_guards.py --model DIR --data pairs.jsonl.gz \
        --second-data made/train.jsonl --out DIR --processes 12 --budget-seconds 460
    python bench/trainer/calibrate_guards.py --evaluate DIR/runs.jsonl [--threshold Entropy=3]

The first form trains, in `--processes` processes with one import of the libraries each, until
the budget is spent, and adds a line to `runs.jsonl` for every run that ends; a cut-off loses the
runs in flight alone. The second form needs no GPU: it judges the recorded runs again, with
other thresholds if asked, and prints the same tables.

Whether a run was healthy is decided by `guard_calibration/health.py`, by criteria that no guard
uses. Even seeds of the first data set are for calibrating, odd seeds and the second data set
for reporting. The demo's made pairs serve as the second one:

    PYTHONPATH=dev python -m demo.pairs made

On the CPU, with the tests' tiny model: `--device CPU --runs 2 --steps 12 --max-length 128`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("operator", "trainer-image")]
sys.path.append(str(ROOT))

from bench.trainer.guard_calibration.outcome import read  # noqa: E402  # found by the lines above
from bench.trainer.guard_calibration.table import report  # noqa: E402
from bench.trainer.guard_calibration.worker import (  # noqa: E402
    Orders,
    orders_from_environment,
    work,
)
from preftrain_api.guards import GUARD_NAMES  # noqa: E402
from preftrain_api.spec.quality import GuardName  # noqa: E402
from preftrain_trainer.versions import versions  # noqa: E402

ORDERS: Final = "GUARD_CALIBRATION"
REPORT: Final = "calibration.md"


def main() -> int:
    """Train and report, or report alone; 1 when no run ended."""
    if ORDERS in os.environ:
        return work(orders_from_environment())
    options = _parser().parse_args()
    if options.evaluate:
        return evaluate(options.evaluate, dict(options.threshold), None)
    missing = [name for name in ("model", "data", "out") if getattr(options, name) is None]
    if missing:
        print(f"--{missing[0]} is needed to train; or name --evaluate FILE", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    spread(options)
    return evaluate([options.out / "runs.jsonl"], dict(options.threshold), options.out / REPORT)


def spread(options: argparse.Namespace) -> None:
    """Start the processes and wait for them, until the budget is over for good."""
    deadline = time.time() + options.budget_seconds
    cpus = max(1, len(os.sched_getaffinity(0)) // options.processes)
    environment = {"OMP_NUM_THREADS": str(cpus), **os.environ, **_compiling(options.compile)}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__],
            env=environment | {ORDERS: json.dumps(_plain(_orders(options, number, deadline)))},
        )
        for number in range(options.processes)
    ]
    for process in processes:
        try:
            process.wait(timeout=max(1.0, deadline + options.grace_seconds - time.time()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _compiling(asked: bool) -> dict[str, str]:
    # Compiling pays off after many steps of a large model, not in runs of a minute.
    return {} if asked else {"UNSLOTH_COMPILE_DISABLE": "1", "TORCHDYNAMO_DISABLE": "1"}


def _orders(options: argparse.Namespace, number: int, deadline: float) -> Orders:
    second = options.second_data
    return Orders(
        model=options.model.resolve(),
        data=options.data.resolve(),
        second_data=second.resolve() if second else None,
        out=options.out.resolve(),
        device=options.device,
        steps=options.steps,
        max_length=options.max_length,
        number=number,
        processes=options.processes,
        most_runs=options.runs,
        deadline=deadline,
    )


def _plain(orders: Orders) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(orders).items()
    }


def evaluate(files: list[Path], thresholds: dict[GuardName, float], written: Path | None) -> int:
    """Print the tables of recorded runs, and leave them in a file where one is named."""
    outcomes = sorted(read(file for file in files if file.exists()), key=lambda o: o.run.number)
    if not outcomes:
        print("no run has ended; give more --budget-seconds", file=sys.stderr)
        return 1
    text = report(outcomes, thresholds)
    if written is not None:
        libraries = ", ".join(f"{name} {number}" for name, number in versions().items())
        seconds = sum(outcome.seconds for outcome in outcomes)
        text = f"{time.strftime('%Y-%m-%d')}. {libraries}. {seconds:.0f} s of runs.\n\n{text}"
        written.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="folder of the base model")
    parser.add_argument("--data", type=Path, help="file of preference pairs")
    parser.add_argument("--second-data", type=Path, help="another file of preference pairs")
    parser.add_argument("--out", type=Path, help="folder for runs.jsonl and calibration.md")
    parser.add_argument("--processes", type=int, default=12)
    parser.add_argument("--budget-seconds", type=float, default=460)
    parser.add_argument(
        "--grace-seconds", type=float, default=15, help="after the budget, before processes end"
    )
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--runs", type=int, help="at most so many runs")
    parser.add_argument("--device", choices=("GPU", "CPU"), default="GPU")
    parser.add_argument("--compile", action="store_true", help="let Unsloth compile kernels")
    parser.add_argument("--evaluate", type=Path, nargs="+", metavar="FILE", help="judge again")
    parser.add_argument(
        "--threshold", type=_threshold, action="append", default=[], metavar="NAME=NUMBER"
    )
    return parser


def _threshold(text: str) -> tuple[GuardName, float]:
    name, _, number = text.partition("=")
    known = next((guard for guard in GUARD_NAMES if guard == name), None)
    if known is None:
        raise argparse.ArgumentTypeError(f"{name} is no guard; use one of {', '.join(GUARD_NAMES)}")
    return known, float(number)


if __name__ == "__main__":
    sys.exit(main())
