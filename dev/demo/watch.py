"""Shows the job's row of `kubectl get` while it runs, and tells how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.errors import ClusterError
from cluster.report import INTERVAL_SECONDS, say
from demo.install import Kubectl
from preftrain_api.group import LABEL_JOB

POLL_SECONDS = 2.0


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

    A row is printed whenever it changes, and at least every ten seconds.

    Raises:
        ClusterError: it has not ended in time, or is gone.
    """
    deadline = time.monotonic() + timeout_seconds
    header_shown, last_row, last_said = False, "", 0.0
    while time.monotonic() < deadline:
        pods = kubectl.get("pods", "-n", namespace, "-l", f"{LABEL_JOB}={name}") or {}
        seen(pods.get("items", ()))
        table = kubectl("get", "ptj", name, "-n", namespace).splitlines()
        if table and not header_shown:
            say(f"  {table[0]}")
            header_shown = True
        row = table[1] if len(table) > 1 else ""
        if _without_age(row) != _without_age(last_row) or (
            time.monotonic() - last_said > INTERVAL_SECONDS
        ):
            say(f"  {row}")
            last_row, last_said = row, time.monotonic()
        ended = ending(kubectl.get("ptj", name, "-n", namespace))
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


def _without_age(row: str) -> str:
    return " ".join(row.split()[:-1])
