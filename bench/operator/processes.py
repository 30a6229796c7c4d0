"""CPU time and memory of processes, from /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GENERATOR: Final = "load generator"
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """CPU seconds that processes have used since they began, at one moment."""

    moment: float
    cpu_seconds: Mapping[str, float]

    def since(self, earlier: Sample, idle: Mapping[str, float] | None = None) -> dict[str, float]:
        """CPU seconds used since `earlier`, less what they use when nothing is asked of them.

        `idle` is in CPU seconds a second.
        """
        seconds, rates = self.moment - earlier.moment, idle or {}
        return {
            name: max(0.0, used - earlier.cpu_seconds[name] - rates.get(name, 0.0) * seconds)
            for name, used in self.cpu_seconds.items()
            if name in earlier.cpu_seconds
        }

    def rates(self, earlier: Sample) -> dict[str, float]:
        """CPU seconds a second since `earlier`."""
        seconds = max(1e-9, self.moment - earlier.moment)
        return {name: used / seconds for name, used in self.since(earlier).items()}


def sample(pids: Mapping[str, int]) -> Sample:
    """The CPU time of processes, and of this one as the load generator."""
    used = {name: cpu_seconds(Path(f"/proc/{pid}/stat").read_text()) for name, pid in pids.items()}
    return Sample(time.monotonic(), {**used, GENERATOR: time.process_time()})


def cpu_seconds(stat: str) -> float:
    """User and system time in a line of /proc/PID/stat; the command may hold blanks."""
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mib(status: str, field: str = "VmRSS") -> float:
    """Memory in the text of /proc/PID/status: resident now, or VmHWM for the most ever."""
    line = next(line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024


def memory_of(pid: int, field: str = "VmRSS") -> float:
    """Memory of a process in MiB, as for `memory_mib`."""
    return memory_mib(Path(f"/proc/{pid}/status").read_text(), field)
