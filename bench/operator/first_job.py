"""Measures how long a job waits for its first Job: from the answer to `apply` to the Job.

    python bench/operator/first_job.py [--jobs 50] [--burst]

It starts a control plane of its own (or takes PREFTRAIN_TEST_KUBECONFIG's) and the operator
as a process, applies jobs one after the other (or all at once), and prints a table with the
machine, the versions and the limits in force. Times are the API server's own, taken from
the audit log; without one, times of this program.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("operator", "dev", "tests")]

from cluster.control_plane import ControlPlane  # noqa: E402  # found by the lines above
from support.control_plane import install_crd, own_control_plane  # noqa: E402
from support.operator_process import USER_AGENT, OperatorProcess  # noqa: E402
from support.training_jobs import SPEC, TrainingJobs  # noqa: E402

NAMESPACE = "bench"


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from a job's creation to its first Job's."""

    values: tuple[float, ...]

    def quantile(self, share: float) -> float:
        """The value below which `share` of all lie."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def main() -> int:
    """Run and print."""
    options = parse(sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        plane = own_control_plane(Path(folder))
        plane.start()
        try:
            latency, cpu = measure(plane, Path(folder), options)
        finally:
            plane.stop()
    print_table(options, latency, cpu)
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Latency from apply to the first Job.")
    parser.add_argument("--jobs", type=int, default=50, help="how many jobs are applied")
    parser.add_argument("--burst", action="store_true", help="apply all at once")
    return parser.parse_args(arguments)


def measure(
    plane: ControlPlane, folder: Path, options: argparse.Namespace
) -> tuple[Latency, float]:
    """Apply the jobs; latencies, and the operator's CPU seconds for each job."""
    api = plane.api("preftrain-bench")
    install_crd(api)
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    operator = OperatorProcess(plane.kubeconfig, NAMESPACE, folder / "operator.log")
    operator.start()
    try:
        before = operator.cpu_seconds()
        jobs = TrainingJobs(api, NAMESPACE)
        names = [f"job-{number}" for number in range(options.jobs)]
        if options.burst:
            burst(jobs, names)
        else:
            for name in names:
                jobs.create(name, SPEC)
                wait_for_first_job(jobs, name)
        jobs.wait_for_jobs(lambda found: len(found) == len(names), "all Jobs")
        cpu = (operator.cpu_seconds() - before) / len(names)
    finally:
        operator.stop()
    return Latency(tuple(latencies(plane.layout.audit_log))), cpu


def wait_for_first_job(jobs: TrainingJobs, name: str) -> None:
    """Wait until the prepare Job of one job is there."""
    wanted = f"{name}-r1-prepare"
    jobs.wait_for_jobs(
        lambda found: any(job["metadata"]["name"] == wanted for job in found), wanted
    )


def burst(jobs: TrainingJobs, names: list[str]) -> None:
    """Apply all jobs from eight threads."""

    def apply(part: list[str]) -> None:
        for name in part:
            jobs.create(name, SPEC)

    threads = [threading.Thread(target=apply, args=(names[start::8],)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def latencies(log: Path) -> list[float]:
    """From the answer to the job's creation to the arrival of its Job's creation."""
    applied: dict[str, float] = {}
    created: dict[str, float] = {}
    for line in log.read_text().splitlines():
        event = json.loads(line)
        reference = event.get("objectRef") or {}
        if event["stage"] != "ResponseComplete" or event["verb"] != "create":
            continue
        name = reference.get("name", "")
        if reference.get("resource") == "preferencetrainingjobs":
            applied[name] = moment(event["stageTimestamp"])
        elif reference.get("resource") == "jobs" and event["userAgent"].startswith(USER_AGENT):
            created[name.removesuffix("-r1-prepare")] = moment(event["stageTimestamp"])
    return [created[name] - applied[name] for name in applied if name in created]


def moment(text: str) -> float:
    """Seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


def print_table(options: argparse.Namespace, latency: Latency, cpu: float) -> None:
    """Figures, and what they were measured on."""
    print(f"{time.strftime('%Y-%m-%d')}, {platform.platform()}, {os.cpu_count()} CPUs,")
    print(f"load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}, 8 workers,")
    print(f"{options.jobs} jobs {'at once' if options.burst else 'one after the other'}")
    print()
    print("| apply to first Job | ms |")
    print("|---|---|")
    for name, value in (
        ("least", min(latency.values)),
        ("median", statistics.median(latency.values)),
        ("p99", latency.quantile(0.99)),
        ("most", max(latency.values)),
    ):
        print(f"| {name} | {1000 * value:.0f} |")
    print()
    print(f"operator: {1000 * cpu:.1f} ms CPU for each job up to its first Job")


if __name__ == "__main__":
    sys.exit(main())
