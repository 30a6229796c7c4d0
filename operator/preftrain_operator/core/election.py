"""Whose the Lease is. Pure.

An economy, not a safeguard: two operators that both think they lead do no harm, because
every write carries its own precondition. Clocks of different machines are never compared: a
Lease has run out when nobody has renewed it for its duration, by the watch of the one who looks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

LEASE_SECONDS: Final = 15
"""How long a leader that fell silent keeps the Lease; the default of Kubernetes' own
controllers, so the same outage after a node is lost."""
RENEW_SECONDS: Final = 5.0
"""Pause between renewals: two may fail before the Lease runs out."""


@dataclass(frozen=True, slots=True)
class LeaseView:
    """A Lease as it was read."""

    version: str
    holder: str
    """Empty when it was given back."""
    duration_seconds: float
    transitions: int


def view_lease(item: Mapping[str, Any]) -> LeaseView:
    """The view of a Lease object; what is missing reads as a Lease that nobody holds."""
    spec = item.get("spec") or {}
    return LeaseView(
        version=item["metadata"]["resourceVersion"],
        holder=spec.get("holderIdentity") or "",
        duration_seconds=spec.get("leaseDurationSeconds") or LEASE_SECONDS,
        transitions=spec.get("leaseTransitions") or 0,
    )


def may_take(lease: LeaseView, identity: str, unchanged_seconds: float) -> bool:
    """Whether `identity` may write itself into a Lease that it has seen unchanged for so long."""
    return lease.holder in ("", identity) or unchanged_seconds >= lease.duration_seconds


def lease_spec(lease: LeaseView | None, identity: str, now: datetime) -> dict[str, Any]:
    """The spec by which `identity` takes or renews the Lease."""
    time = now.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    spec: dict[str, Any] = {
        "holderIdentity": identity,
        "leaseDurationSeconds": LEASE_SECONDS,
        "renewTime": time,
    }
    if lease is None or lease.holder != identity:
        transitions = 0 if lease is None else lease.transitions + 1
        spec |= {"acquireTime": time, "leaseTransitions": transitions}
    return spec
