"""Records become tables, with every limit and never with two sets of limits in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.operator.errors import BenchError
from bench.operator.quantiles import Spread
from bench.operator.record import Deletion, Record, Restart, append, read_records
from bench.operator.table import report

SPREAD = Spread(0.010, 0.020, 0.030)


def record(**changes: Any) -> Record:
    values: dict[str, Any] = {
        "system": "Thing",
        "processes": ("operator",),
        "limits": "raised",
        "described": {"etcd": "none"},
        "count": 100,
        "finished": 100,
        "rate": None,
        "began": "2026-11-24 10:00",
        "load": (1.0, 2.0),
        "children_per_second": 40.0,
        "pods_per_second": 30.0,
        "to_child": SPREAD,
        "to_child_api": SPREAD,
        "to_pod": SPREAD,
        "to_end": None,
        "writes": {"operator create jobs": 1.0, "operator create events": 2.0, "kcm patch pods": 1},
        "reads": {"operator list jobs": 0.01},
        "refused": {409: 3},
        "cpu_ms": {"operator": 20.0, "etcd": 10.0, "load generator": 5.0},
        "cpu_ms_to_child": {},
        "idle": {},
        "memory_mib": {"operator": 80.0, "etcd": 60.0},
    }
    return Record(**(values | changes))


def rows(text: str, first: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith(f"| {first} |")
    ]


def test_own_costs_are_those_of_the_systems_processes() -> None:
    """Events are told apart, the load generator is nobody's cost."""
    found = record()
    assert (found.own_writes, found.own_events) == (1.0, 2.0)
    assert (found.own_cpu_ms, found.whole_cpu_ms) == (20.0, 30.0)


def test_limits_are_never_mixed_in_one_table() -> None:
    """Each set has a head, its limits and its own rows."""
    text = report([record(), record(limits="shipped", described={"etcd": "20 requests/s"})])
    raised, shipped = text.split("## Limits: shipped")
    assert "20 requests/s" in shipped
    assert "20 requests/s" not in raised
    assert len(rows(raised, "100")) == len(rows(shipped, "100")) == 1


def test_repetitions_are_one_row_with_their_range() -> None:
    """The middle one, the least and the most."""
    runs = [record(children_per_second=rate) for rate in (30.0, 50.0, 40.0)]
    (row,) = rows(report(runs), "100")
    assert row[2] == "3"
    assert row[4] == "40.0 (30.0-50.0)"


def test_open_loops_are_rows_of_their_own_and_tell_their_rate() -> None:
    """A paced load is no burst."""
    text = report([record(), record(rate=1.5)])
    assert len(rows(text, "100 at 1.5/s")) == len(rows(text, "100")) == 1


def test_requests_are_told_by_kind_with_their_sums() -> None:
    """A column for each system; Events apart."""
    text = report([record(), record(system="Other", writes={"kcm patch pods": 4.0})])
    assert rows(text, "kcm patch pods") == [["kcm patch pods", "1.00", "4.00"]]
    assert rows(text, "all writes") == [["all writes", "4.00", "4.00"]]
    assert rows(text, "own Events") == [["own Events", "2.00", "0.00"]]


def test_restarts_and_deletions_are_told_where_there_were_any() -> None:
    """Otherwise their tables are left out."""
    assert "killed" not in report([record()])
    killed = Restart(
        process="operator",
        objects=100,
        child_seconds=2.5,
        quiet_seconds=3.0,
        cpu_seconds=1.0,
        memory_before_mib=90,
        memory_mib=100,
        peak_mib=110,
        reads=9,
        writes_to_old=0,
    )
    gone = Deletion(objects=100, seconds=4.0, own_writes=0, own_reads=1, own_cpu_ms=3.0)
    text = report([record(restarts=(killed,), deletion=gone)])
    assert "| Thing: operator | 2.50 | 3.0 | 1.00 | 90 → 100 (110) | 9 | 0 |" in text
    assert "| 100 | Thing | 4.0 | 0 | 1 | 3.0 |" in text


def test_records_outlive_their_run(tmp_path: Path) -> None:
    """What was written is read again; another file is refused by name."""
    file = tmp_path / "records.jsonl"
    append(file, record())
    append(file, record(rate=2.0))
    assert read_records(file) == [record(), record(rate=2.0)]
    file.write_text("{}\n")
    with pytest.raises(BenchError, match=r"records\.jsonl holds no records"):
        read_records(file)
