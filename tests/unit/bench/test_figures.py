"""Quantiles, CPU and memory are read as their sources mean them."""

from __future__ import annotations

import os

import pytest

from bench.operator.processes import Sample, cpu_seconds, memory_mib
from bench.operator.quantiles import Spread, quantile


def test_a_quantile_is_a_value_that_was_measured() -> None:
    """Nearest rank: no more than the share lies above it."""
    values = [float(number) for number in range(1, 101)]
    assert quantile(values, 0.5) == 50
    assert quantile(values, 0.99) == 99
    assert quantile([3.0, 1.0, 2.0], 0.99) == 3
    assert quantile([7.0], 0.01) == 7


def test_nothing_has_no_spread() -> None:
    """A run in which no object ended has no time to the end."""
    assert Spread.of([]) is None
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_cpu_time_is_user_and_system_time_of_the_process() -> None:
    """The command in the line may hold blanks and brackets."""
    fields = ["S", *"0" * 10, "150", "50", *"0" * 20]
    ticks = os.sysconf("SC_CLK_TCK")
    assert cpu_seconds(f"12 (a (b) c) {' '.join(fields)}") == 200 / ticks


def test_memory_is_told_in_mib() -> None:
    """Now and at most."""
    status = "Name:\tx\nVmHWM:\t  4096 kB\nVmRSS:\t  2048 kB\n"
    assert memory_mib(status) == 2
    assert memory_mib(status, "VmHWM") == 4


def test_what_a_process_uses_at_rest_is_taken_off() -> None:
    """And never leaves less than nothing; a process that came later is left out."""
    first = Sample(100.0, {"a": 1.0, "b": 1.0})
    later = Sample(110.0, {"a": 4.0, "b": 1.1, "new": 9.0})
    assert later.since(first) == {"a": 3.0, "b": pytest.approx(0.1)}
    assert later.since(first, {"a": 0.1, "b": 0.5}) == {"a": 2.0, "b": 0.0}
    assert later.rates(first)["a"] == pytest.approx(0.3)
