"""Measures what guards, log, progress and metrics cost a training step.

    python bench/trainer/progress_cost.py [--steps 2000]

It hands made-up steps to the real callback with everything that listens to it in a pod, the
HTTP port included, and prints the CPU time a step, the time of a scrape, and the shortest step
for which that is 1 %.
"""

import argparse
import io
import os
import platform
import random
import sys
import tempfile
import time
from importlib.metadata import version
from math import log
from pathlib import Path
from statistics import median, quantiles
from types import SimpleNamespace
from urllib.request import urlopen

from preftrain_trainer.guards.book import GuardBook
from preftrain_trainer.guards.rules import RunFacts
from preftrain_trainer.progress import metrics
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.progress.terminal import ProgressPrinter

SHARE = 0.01
"""Of a step's time that may go into telling about it."""


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    options = parser.parse_args()
    board = ProgressBoard("bench")
    board.add_listener(ProgressPrinter(io.StringIO()))
    with tempfile.TemporaryDirectory() as folder, metrics.serve(board, 0) as port:
        costs = _steps(board, Path(folder) / "metrics.jsonl", options.steps)
        scrape = median(_scrape(f"http://127.0.0.1:{port}/metrics") for _ in range(20))
    middle, slow = median(costs), quantiles(costs, n=100)[-1]
    print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores usable", end=", ")
    print(f"Python {platform.python_version()}, transformers {version('transformers')}")
    print(f"{options.steps} steps of DPO, all guards, log, board, metrics, terminal")
    print(f"{'CPU time a step':>32}  {middle * 1e6:.0f} us (median), {slow * 1e6:.0f} us (99 %)")
    print(f"{'a scrape of /metrics':>32}  {scrape * 1e3:.1f} ms")
    print(f"{f'{SHARE:.0%} of a step of':>32}  {middle / SHARE * 1e3:.0f} ms")
    return 0


def _steps(board: ProgressBoard, log_file: Path, steps: int) -> list[float]:
    """CPU seconds of this thread a step."""
    # Imports transformers, which takes seconds.
    from preftrain_trainer.training.reporter import StepReporter

    facts = RunFacts(
        method="DPO",
        losses=frozenset({"Sigmoid"}),
        beta=0.1,
        chosen_tokens=200.0,
        total_steps=steps,
        warmup_steps=steps // 10,
        steps_per_epoch=float(steps),
        start_loss=log(2),
        expected=None,
    )
    reporter = StepReporter(board, log_file, GuardBook(None, facts))
    board.plan(steps)
    board.phase("Training")
    chance = random.Random(0)  # noqa: S311 - figures that are the same every time
    costs = []
    for step in range(1, steps + 1):
        logs = _logged(step / steps, chance)
        state = SimpleNamespace(global_step=step)
        before = time.thread_time()
        reporter.on_step_begin(None, state, None)
        reporter.on_log(None, state, None, logs)
        costs.append(time.thread_time() - before)
    return costs


def _logged(done: float, chance: random.Random) -> dict[str, float]:
    """What TRL logs of a step of DPO that learns."""
    margin = 0.8 * done + chance.gauss(0, 0.05)
    return {
        "loss": log(2) - 0.4 * margin,
        "grad_norm": chance.uniform(1, 3),
        "learning_rate": 5e-6,
        "rewards/chosen": -0.02 * done,
        "rewards/rejected": -0.02 * done - margin,
        "rewards/margins": margin,
        "rewards/accuracies": min(1.0, 0.5 + 0.3 * done),
        "logps/chosen": -300.0,
        "logps/rejected": -320.0,
        "logits/chosen": -1.0,
        "logits/rejected": -1.1,
        "entropy": chance.uniform(1.8, 2.2),
        "mean_token_accuracy": chance.uniform(0.52, 0.58),
        "num_tokens": 1e4,
    }


def _scrape(url: str) -> float:
    started = time.monotonic()
    with urlopen(url, timeout=10) as answer:  # noqa: S310 - the port of this process
        answer.read()
    return time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main())
