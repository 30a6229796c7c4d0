"""Runs the operator's fault suite in full and writes down what came of it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree  # the report is pytest's own
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
REPORT: Final = ROOT / "docs" / "explanation" / "fault-run.md"
FOLDER: Final = "tests/integration/operator"
SUITE: Final = (
    "test_kill_at_every_write",
    "test_api_faults",
    "test_old_news",
    "test_by_hand",
    "test_two_operators",
    "test_outages",
    "test_upkeep",
)
_MODULES: Final = {"Kubernetes": r"k8s\.io/kubernetes", "etcd": r"go\.etcd\.io/etcd/\S+"}
"""What is built from Go modules, as go.mod calls it."""
_HEAD: Final = """\
# The fault suite in full

<!-- Written by `make test-faults`. -->

Every test of the operator's faults against a real API server and the real Job controller: its
process is killed, hindered by a proxy between it and the API server, or doubled. No pod runs; the
tests write their states as a kubelet would. What a row means stands in its test. Continuous
integration runs every kill of one whole life, the turning points of the others, and one seed for
each fault. [Failure modes](../reference/failure-modes.md) lists the faults.
"""


@dataclass(frozen=True, slots=True)
class Result:
    """One test with one set of parameters."""

    file: str
    test: str
    passed: bool
    seconds: float


def run() -> int:
    """Run, print, and write the page when all has passed; the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        files = [f"{FOLDER}/{name}.py" for name in SUITE]
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup"]
        began = time.monotonic()
        done = subprocess.run(
            [*command, f"--junit-xml={report}", *files],
            cwd=ROOT,
            env={**os.environ, "PREFTRAIN_FAULTS": "full"},
            check=False,
        )
        took = time.monotonic() - began
        results = list(read_report(report)) if report.exists() else []
    if not results:
        return done.returncode or 1
    table = summary(results, took)
    print(table)
    if done.returncode == 0:
        REPORT.write_text(f"{_HEAD}\n{conditions()}\n\n{table}")
    return done.returncode


def read_report(report: Path) -> Iterator[Result]:
    """The tests of a JUnit report that were run."""
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  # written just now
        if case.find("skipped") is None:
            yield Result(
                file=case.attrib["classname"].rpartition(".")[2],
                test=case.attrib["name"].partition("[")[0],
                passed=case.find("failure") is None and case.find("error") is None,
                seconds=float(case.attrib["time"]),
            )


def summary(results: list[Result], seconds: float) -> str:
    """A Markdown table: one row for each test function."""
    rows = ["| file | test | runs | passed | seconds |", "|---|---|---|---|---|"]
    for file in SUITE:
        tests = dict.fromkeys(item.test for item in results if item.file == file)
        for test in tests:
            runs = [item for item in results if (item.file, item.test) == (file, test)]
            words = test.removeprefix("test_").replace("_", " ")
            passed, took = sum(item.passed for item in runs), sum(item.seconds for item in runs)
            rows.append(f"| `{file}` | {words} | {len(runs)} | {passed} | {took:.0f} |")
    passed = sum(item.passed for item in results)
    rows.append(f"| all | | {len(results)} | {passed} | {seconds:.0f} by the clock |")
    return "\n".join(rows) + "\n"


def conditions() -> str:
    """When, where and with what."""
    modules = (ROOT / "dev" / "cluster" / "binaries" / "go.mod").read_text()
    found = {
        name: match.group(1)
        for name, path in _MODULES.items()
        if (match := re.search(rf"{path} v(\S+)", modules))
    }
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} CPUs, {memory:.0f} GiB, one-minute load "
        f"{load:.0f} at the end; Kubernetes {found['Kubernetes']}, etcd {found['etcd']}, kopf "
        f"{version('kopf')}, kubernetes {version('kubernetes')}, Python "
        f"{platform.python_version()}. Seconds of single rows add up tests that ran side by side; "
        "lives are begun ahead of their tests and count for the first one that waits."
    )
