"""Shows the job's row of `kubectl get` while it runs, and tells how it ended."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cluster.errors import ClusterError
from cluster.report import INTERVAL_SECONDS, say
from demo.install import Kubectl
from preftrain_api.group import LABEL_JOB

POLL_SECONDS = 2.0
COLUMN_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class Ended:
    """A finished job.

    Attributes:
        succeeded: whether its condition Succeeded is true.
        status: the whole status.
    """

    succeeded: bool
    status: dict[str, Any]

    @property
    def summary(self) -> str:
        """The deciding condition's reason and message."""
        wanted = "Succeeded" if self.succeeded else "Failed"
        for condition in self.status.get("conditions", ()):
            if condition["type"] == wanted:
                return f"{condition['reason']}: {condition['message']}"
        return wanted


def follow(
    kubectl: Kubectl,
    namespace: str,
    name: str,
    timeout_seconds: float,
    seen: Callable[[Sequence[Mapping[str, Any]]], None],
) -> Ended:
    """Print the job's table until it ends, and tell `seen` of the job's pods.

    A row is printed whenever it changes, and at least every ten seconds. The pod's phase comes
    last: the State column says Training also while the model is loaded, judged and published.

    Raises:
        ClusterError: it has not ended in time, or is gone.
    """
    deadline = time.monotonic() + timeout_seconds
    header_shown, last_row, last_said = False, Row(), 0.0
    while time.monotonic() < deadline:
        pods = kubectl.get("pods", "-n", namespace, "-l", f"{LABEL_JOB}={name}") or {}
        seen(pods.get("items", ()))
        row = Row.of_table(kubectl("get", "ptj", name, "-n", namespace))
        resource = kubectl.get("ptj", name, "-n", namespace)
        row = replace(row, phase=phase_of(resource))
        if row.cells and not header_shown:
            say(f"  {row.header}")
            header_shown = True
        silence = time.monotonic() - last_said
        if row.news != last_row.news or silence > INTERVAL_SECONDS - POLL_SECONDS:
            say(f"  {row.line}")
            last_row, last_said = row, time.monotonic()
        ended = ending(resource)
        if ended is not None:
            return ended
        time.sleep(POLL_SECONDS)
    raise ClusterError(
        f"{namespace}/{name} has not ended after {timeout_seconds:.0f} s; "
        f"see 'kubectl describe ptj {name} -n {namespace}'"
    )


def ending(resource: dict[str, Any] | None) -> Ended | None:
    """How a resource ended, or None while it has not.

    Raises:
        ClusterError: it does not exist any more.
    """
    if resource is None:
        raise ClusterError("the job was deleted while it ran")
    status = resource.get("status", {})
    for condition in status.get("conditions", ()):
        if condition["type"] in ("Succeeded", "Failed") and condition["status"] == "True":
            return Ended(condition["type"] == "Succeeded", status)
    return None


def phase_of(resource: Mapping[str, Any] | None) -> str:
    """What the running pod last said that it does; empty when none runs."""
    progress = (resource or {}).get("status", {}).get("progress") or {}
    return str(progress.get("phase", ""))


@dataclass(frozen=True, slots=True)
class Row:
    """The one row of a table of kubectl's, by column, to be printed below earlier ones.

    kubectl sizes columns for each table anew, so its own lines would not stand in line.
    """

    cells: Mapping[str, str] = field(default_factory=dict)
    phase: str = ""

    @classmethod
    def of_table(cls, table: str) -> Row:
        """Read what `kubectl get` printed for one object."""
        header, _, row = table.partition("\n")
        if not row:
            return cls()
        names = list(re.finditer(r"\S+", header))
        ends = [name.start() for name in names[1:]] + [None]
        return cls(
            {
                name.group(): row[name.start() : end].strip()
                for name, end in zip(names, ends, strict=True)
            }
        )

    @property
    def header(self) -> str:
        """The names of the columns."""
        return self._aligned([*self.cells, "PHASE"])

    @property
    def line(self) -> str:
        """The values."""
        return self._aligned([*self.cells.values(), self.phase])

    @property
    def news(self) -> tuple[Mapping[str, str], str]:
        """What makes a row worth printing: all but the age."""
        return {name: cell for name, cell in self.cells.items() if name != "AGE"}, self.phase

    def _aligned(self, cells: Sequence[str]) -> str:
        first = len(next(iter(self.cells.values()), "")) + 2
        widths = [first, *(COLUMN_CHARACTERS for _ in cells[1:])]
        return "".join(
            f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)
        ).rstrip()
