"""`python -m bench.operator`: measures systems under loads and prints tables.

    make bench-operator                                    a few minutes, small loads
    make bench-operator BENCH="--counts 500 1000 --limits raised --repeat 3"
    make bench-operator BENCH="--counts --restart 1000 --systems preftrain"
    make bench-operator BENCH="--systems job out/my-system.yaml"
    make bench-operator BENCH="--records out/bench.jsonl --print"

Systems take turns within a repetition, each on a control plane of its own, so that slow changes
of the machine meet all of them. docs/how-to/measure-an-operator.md says what the columns mean.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.operator.copies import multiply
from bench.operator.errors import BenchError
from bench.operator.life import Load, live
from bench.operator.limits import LIMITS, Limits
from bench.operator.machine import conditions
from bench.operator.record import Record, append, read_records
from bench.operator.stand import Stand, standing
from bench.operator.system import System, load_system
from bench.operator.table import report
from bench.operator.upheaval import delete_all, restart
from cluster.errors import ClusterError
from cluster.report import say

HALF = 0.5
LIVED = 20
"""Objects that live before they are copied."""


@dataclass(frozen=True, slots=True)
class Run:
    """One system under one load on one stand.

    Attributes:
        copies: objects in all, once those that have lived have been copied; 0 for no copies.
        restarts: how often each of its processes is then killed.
        deletes: whether all objects are deleted at last.
    """

    system: System
    limits: Limits
    load: Load
    copies: int = 0
    restarts: int = 0
    deletes: bool = False


def main() -> int:
    """The program; its exit status."""
    options = parse(sys.argv[1:])
    try:
        if not options.print:
            for run in runs(options):
                append(options.records, measure(run))
        records = read_records(options.records)
    except (BenchError, ClusterError) as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    print(f"{records[0].began} to {records[-1].began}; {conditions()}\n")
    print(report(records))
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.operator", description=__doc__.split("\n")[0])
    parser.add_argument("--systems", nargs="+", default=["job", "preftrain", "preftrain-prepare"])
    parser.add_argument("--limits", nargs="+", choices=sorted(LIMITS), default=["raised"])
    parser.add_argument("--counts", nargs="*", type=int, default=[100], help="sizes of bursts")
    parser.add_argument("--open-loop", nargs="*", type=int, default=[30], help="objects in all")
    parser.add_argument("--rate", type=float, default=1.5, help="objects a second in open loops")
    parser.add_argument(
        "--restart", nargs="*", type=int, default=[], help="objects when processes are killed"
    )
    parser.add_argument(
        "--restart-copies",
        nargs="*",
        type=int,
        default=[],
        help="the same, but most objects are copies of some that have lived",
    )
    parser.add_argument("--kills", type=int, default=3, help="how often each is killed")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--records", type=Path, help="keep records here, and print all in it")
    parser.add_argument("--print", action="store_true", help="measure nothing")
    options = parser.parse_args(arguments)
    if options.records is None:
        if options.print:
            parser.error("--print needs --records")
        options.records = Path(tempfile.mkdtemp(prefix="bench-")) / "records.jsonl"
    return options


def runs(options: argparse.Namespace) -> Iterator[Run]:
    """What the options ask for, in the order in which it is measured."""
    systems = [load_system(name) for name in options.systems]
    loads = [Load(count, options.rate) for count in options.open_loop]
    loads += [Load(count) for count in options.counts]
    for limits in (LIMITS[name] for name in options.limits):
        for _ in range(options.repeat):
            yield from (Run(system, limits, load) for load in loads for system in systems)
        for count in options.restart:
            load = Load(count, finished_share=HALF)
            yield from (Run(system, limits, load, 0, options.kills, True) for system in systems)
        for count in options.restart_copies:
            load = Load(LIVED, finished_share=HALF)
            yield from (Run(system, limits, load, count, options.kills, True) for system in systems)


def measure(run: Run) -> Record:
    """Measure one run on a stand of its own."""
    rate = "at once" if run.load.rate is None else f"at {run.load.rate:g}/s"
    say(f"{run.system.name}: {run.load.count} {rate}, limits {run.limits.name}")
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        standing(run.system, run.limits, Path(folder)) as stand,
    ):
        return asyncio.run(_measured(stand, run))


async def _measured(stand: Stand, run: Run) -> Record:
    record = await live(stand, run.load)
    objects = max(run.load.count, run.copies)
    if run.copies > run.load.count:
        await multiply(stand, run.load.count, run.copies)
    killed = [
        await restart(stand, name, objects, record.idle, number)
        for number, name in enumerate(
            name for name in record.processes for _ in range(run.restarts)
        )
    ]
    gone = await delete_all(stand, objects + len(killed)) if run.deletes else None
    return record.model_copy(update={"restarts": tuple(killed), "deletion": gone})


if __name__ == "__main__":
    sys.exit(main())
