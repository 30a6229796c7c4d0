"""Writes records as Markdown: for each set of limits one table, headed by every limit. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from statistics import median

from bench.operator.quantiles import Spread
from bench.operator.record import Record

Key = tuple[int, float, str]


def report(records: Sequence[Record]) -> str:
    """Everything that was measured; records of equal loads are shown as one row."""
    parts: list[str] = []
    for name in dict.fromkeys(record.limits for record in records):
        chosen = [record for record in records if record.limits == name]
        parts += [f"## Limits: {name}", _limits(chosen), _main(chosen), _requests(chosen)]
        parts += [part for part in (_restarts(chosen), _deletions(chosen)) if part]
    return "\n\n".join(parts) + "\n"


def _limits(records: Sequence[Record]) -> str:
    known: dict[str, str] = {}
    for record in records:
        known |= record.described
    return _table(("who", "limits in force"), known.items())


def _main(records: Sequence[Record]) -> str:
    """Times and costs, one row for each system under each load."""
    heads = (
        "objects",
        "system",
        "runs",
        "load",
        "child/s",
        "pod/s",
        "to child p50 / p95 / p99 ms",
        "of it in the API server p50 ms",
        "to pod p50 / p99 ms",
        "pod's end to object's end p50 / p99 ms",
        "own CPU ms",
        "API server",
        "etcd",
        "controller manager",
        "whole control plane",
        "own memory MiB",
        "409 / 429",
    )
    rows = [
        (
            f"{runs[0].count}" + ("" if runs[0].rate is None else f" at {runs[0].rate:g}/s"),
            runs[0].system,
            str(len(runs)),
            _range(runs, lambda record: record.load[1], 1),
            _range(runs, lambda record: record.children_per_second, 1),
            _range(runs, lambda record: record.pods_per_second, 1),
            _spread(runs, lambda record: record.to_child, ("p50", "p95", "p99")),
            _spread(runs, lambda record: record.to_child_api, ("p50",)),
            _spread(runs, lambda record: record.to_pod, ("p50", "p99")),
            _spread(runs, lambda record: record.to_end, ("p50", "p99")),
            _range(runs, lambda record: record.own_cpu_ms, 1),
            _cpu(runs, "kube-apiserver"),
            _cpu(runs, "etcd"),
            _cpu(runs, "kube-controller-manager"),
            _range(runs, lambda record: record.whole_cpu_ms, 0),
            _range(runs, _own_memory, 0),
            f"{_refused(runs, 409)} / {_refused(runs, 429)}",
        )
        for runs in _runs(records)
    ]
    return "CPU is for each object, over its whole life.\n\n" + _table(heads, rows)


def _requests(records: Sequence[Record]) -> str:
    """Requests for each object, one column for each system at its largest burst."""
    largest = {record.system: record for record in sorted(records, key=lambda item: item.count)}
    systems = list(largest.values())
    rows: list[tuple[str, ...]] = []
    for kind in ("writes", "reads"):
        named = dict.fromkeys(key for record in systems for key in getattr(record, kind))
        shown = [
            (key, *(f"{getattr(record, kind).get(key, 0):.2f}" for record in systems))
            for key in sorted(named)
        ]
        # What happens to one object in two hundred is noise, and there is much of it.
        rows += [row for row in shown if any(float(cell) >= 0.005 for cell in row[1:])]
        totals = (sum(getattr(record, kind).values()) for record in systems)
        rows.append((f"all {kind}", *(f"{total:.2f}" for total in totals)))
    rows.append(("own writes, Events aside", *(f"{item.own_writes:.2f}" for item in systems)))
    rows.append(("own Events", *(f"{item.own_events:.2f}" for item in systems)))
    heads = [f"{record.system}, {record.count}" for record in systems]
    return _table(("requests for each object", *heads), rows)


def _restarts(records: Sequence[Record]) -> str:
    heads = (
        "objects",
        "killed",
        "new object's child s",
        "at rest s",
        "CPU s",
        "memory before → after (peak) MiB",
        "reads",
        "writes to old objects",
        "load",
    )
    rows = [
        (
            str(item.objects),
            f"{record.system}: {item.process}",
            f"{item.child_seconds:.2f}",
            f"{item.quiet_seconds:.1f}",
            f"{item.cpu_seconds:.2f}",
            f"{item.memory_before_mib:.0f} → {item.memory_mib:.0f} ({item.peak_mib:.0f})",
            str(item.reads),
            str(item.writes_to_old),
            f"{record.load[1]:.1f}",
        )
        for record in records
        for item in record.restarts
    ]
    return _table(heads, rows) if rows else ""


def _deletions(records: Sequence[Record]) -> str:
    heads = ("deleted at once", "system", "all gone s", "own writes", "own reads", "own CPU ms")
    rows = [
        (
            str(record.deletion.objects),
            record.system,
            f"{record.deletion.seconds:.1f}",
            str(record.deletion.own_writes),
            str(record.deletion.own_reads),
            f"{record.deletion.own_cpu_ms:.1f}",
        )
        for record in records
        if record.deletion is not None
    ]
    return _table(heads, rows) if rows else ""


def _runs(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Records of one system under one load, smallest load first."""

    def load(record: Record) -> tuple[bool, int, float, int]:
        systems = [item.system for item in records]
        return (
            record.rate is None,
            record.count,
            record.rate or 0.0,
            systems.index(record.system),
        )

    for _, runs in groupby(sorted(records, key=load), key=load):
        yield list(runs)


def _range(runs: Sequence[Record], value: Callable[[Record], float], digits: int) -> str:
    """The median, with least and most where there are several."""
    values = [value(record) for record in runs]
    middle = f"{median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def _cpu(runs: Sequence[Record], process: str) -> str:
    return _range(runs, lambda record: record.cpu_ms.get(process, 0.0), 1)


def _own_memory(record: Record) -> float:
    return sum(record.memory_mib[name] for name in record.processes)


def _spread(
    runs: Sequence[Record], part: Callable[[Record], Spread | None], fields: Sequence[str]
) -> str:
    spreads = [spread for record in runs if (spread := part(record)) is not None]
    if not spreads:
        return "-"
    return " / ".join(
        f"{1000 * median(getattr(spread, name) for spread in spreads):.0f}" for name in fields
    )


def _refused(runs: Sequence[Record], status: int) -> str:
    return str(max(record.refused.get(status, 0) for record in runs))


def _table(heads: Sequence[str], rows: object) -> str:
    lines = [heads, ["---"] * len(heads), *rows]  # type: ignore[misc]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
