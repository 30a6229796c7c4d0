"""Measures how long `preftrain audit` takes for many pairs, and how much memory.

    python bench/trainer/audit_speed.py [--pairs 100000] [--model DIR]

It writes made-up pairs into a temporary folder, runs the real command on them as a process, and
prints wall time, CPU time and the largest resident memory with the machine and the versions.
Lengths follow log-normal distributions with medians of 300 characters for prompts and 1,000 for
answers; prompts repeat, some answers are nearly the same, some rows are damaged.
"""

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
SYLLABLES = ("ta", "ren", "mo", "li", "sak", "ve", "dor", "in", "qua", "be", "thi", "os", "zu", "e")


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--model", help="folder of a model, to look at tokens too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "pairs.jsonl"
        with data.open("w") as stream:
            stream.writelines(rows(options.pairs))
        command = [sys.executable, "-m", "preftrain_trainer", "audit", str(data), "--json"]
        command += ["--model", options.model] if options.model else []
        path = os.pathsep.join(str(ROOT / part) for part in ("operator", "trainer-image"))
        started = time.monotonic()
        ended = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=False
        )
        wall = time.monotonic() - started
        size = data.stat().st_size
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cores = len(os.sched_getaffinity(0))
    versions = ", ".join(f"{name} {version(name)}" for name in ("rapidfuzz", "tokenizers"))
    report = json.loads(ended.stdout)
    print(f"{platform.machine()}, {cores} cores usable, Python {platform.python_version()}")
    print(f"{versions}; tokens {'of a sample' if options.model else 'not looked at'}")
    print(f"{'pairs':>20}  {report['rows']} in {size / 1e6:.0f} MB of JSON lines")
    print(f"{'exit code':>20}  {ended.returncode}")
    print(f"{'wall time':>20}  {wall:.1f} s")
    print(f"{'CPU time':>20}  {used.ru_utime + used.ru_stime:.1f} s")
    print(f"{'largest memory':>20}  {used.ru_maxrss / 1024:.0f} MiB")
    return 0


def rows(count: int) -> Iterator[str]:
    """Made-up pairs as JSON lines, the same every time."""
    chance = random.Random(0)  # noqa: S311 - data that are the same every time
    words = ["".join(chance.choices(SYLLABLES, k=chance.randint(1, 4))) for _ in range(5000)]
    words += [str(chance.randint(0, 2100)) for _ in range(150)]
    prompts = [text(chance, words, 300) for _ in range(max(count // 3, 1))]
    for number in range(count):
        chosen = text(chance, words, 1000)
        near = number % 10 == 0
        rejected = chosen.replace(" ta", " mo", 3) + "." if near else text(chance, words, 1000)
        row = {"prompt": chance.choice(prompts), "chosen": chosen, "rejected": rejected}
        if number % 1000 == 0:
            row["chosen"] = ""
        yield json.dumps(row) + "\n"


def text(chance: random.Random, words: list[str], median: int) -> str:
    """Some words, in lines and sentences."""
    length = min(int(chance.lognormvariate(0, 0.7) * median), 12 * median)
    chosen = " ".join(chance.choices(words, k=max(length // 6, 1)))
    return chosen[:length].capitalize().replace(" os ", ".\n") or "Ta."


if __name__ == "__main__":
    sys.exit(main())
