"""`python -m support.schedule [COUNT]`: plays so many schedules and writes down what came of it.

Every schedule is held to every law, on all processors; a law that is broken is printed with its
seed, and the page in docs/ is written only when none was.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from support.schedule.play import ACTIONS, STEPS, judge
from support.schedule.world import World

PAGE: Final = Path(__file__).parents[3] / "docs" / "explanation" / "schedule-run.md"
SCHEDULES: Final = 20_000
BLOCK: Final = 250
"""Schedules that a process plays before it reports."""
MAX_PRINTED: Final = 20


@dataclass(slots=True)
class Tally:
    """What happened in some schedules.

    Attributes:
        counts: how often, by what is shown in the page.
        broken: seed and message of each schedule in which a law was broken.
    """

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[int, str]] = field(default_factory=list)

    def add(self, world: World) -> None:
        """Count what one schedule held."""
        verbs = Counter(verb for verb, _, _ in world.api.writes)
        self.counts["schedules"] += 1
        self.counts["writes of operators"] += len(world.api.writes)
        self.counts["status writes"] += verbs["patch_status"]
        self.counts["Jobs and Events created"] += verbs["create"]
        self.counts["Jobs deleted or stopped"] += verbs["delete"] + verbs["patch"]
        failed = sum(operator.requests_failed for operator in world.operators)
        self.counts["looks that ended in an error, most of them conflicts"] += failed
        self.counts["operators killed"] += sum(operator.kills for operator in world.operators)
        self.counts["resources deleted"] += len(world.gone)

    def merge(self, other: Tally) -> None:
        """Add another tally."""
        self.counts.update(other.counts)
        self.broken += other.broken


def play_block(first: int, count: int) -> Tally:
    """Judge the schedules of some seeds."""
    tally = Tally()
    for seed in range(first, first + count):
        try:
            tally.add(judge(seed))
        except Exception as error:  # noqa: BLE001  # a bug is a finding like any other
            tally.broken.append((seed, f"{type(error).__name__}: {error}"))
    return tally


def blocks(count: int) -> Iterator[tuple[int, int]]:
    """First seed and number of seeds of each block."""
    for first in range(0, count, BLOCK):
        yield first, min(BLOCK, count - first)


def main() -> int:
    """The program; its exit status."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else SCHEDULES
    began, tally = time.monotonic(), Tally()
    with ProcessPoolExecutor() as pool:
        for part in pool.map(play_block, *zip(*blocks(count), strict=True)):
            tally.merge(part)
            sys.stderr.write(f"{tally.counts['schedules']} held, {len(tally.broken)} broken\n")
    for seed, message in tally.broken[:MAX_PRINTED]:
        sys.stderr.write(f"schedule {seed}: {message}\n")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = page(tally, used.ru_utime + used.ru_stime, time.monotonic() - began)
    sys.stdout.write(text)
    if tally.broken:
        return 1
    if count >= SCHEDULES:
        PAGE.write_text(text)
    return 0


def page(tally: Tally, cpu_seconds: float, seconds: float) -> str:
    """The page of a run."""
    rows = "".join(f"| {what} | {count:,} |\n" for what, count in tally.counts.items())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"""\
# Random schedules in full

<!-- Written by `make test-schedules`. -->

What the operator promises must hold in whatever order things happen. A schedule is {STEPS} steps
drawn from {len(ACTIONS)} kinds, after which the world is fair and all must come to its end: two
operators with the shipped runtime make one request at a time and are killed, stalled and refused;
their watches, one for each kind, lag and are cut; a Job controller, a kubelet and a queue do their
work when it is drawn; people suspend, run again, delete and apply, delete Jobs and pods, and take
names. The API server is one in memory, with versions, conflicts, preconditions and lost answers.
[How the operator works](operator.md#laws) lists the laws.

| | |
|---|---|
{rows}| laws broken | {len(tally.broken)} |

Seeds 0 to {tally.counts["schedules"] + len(tally.broken) - 1}. {time.strftime("%Y-%m-%d")}, \
{os.cpu_count()} CPUs shared with other work, {memory:.0f} GiB, Python \
{platform.python_version()}: {cpu_seconds:,.0f} s of CPU time, {seconds:,.0f} s by the clock.
"""


if __name__ == "__main__":
    sys.exit(main())
