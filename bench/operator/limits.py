"""The limits under which a control plane is measured. Two sets, never mixed in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

LimitsName = Literal["shipped", "raised"]


@dataclass(frozen=True, slots=True)
class Limits:
    """One set.

    Attributes:
        name: what tables call it.
        controller_manager_args: for kube-controller-manager.
        described: part of the control plane → the limits that it has.
    """

    name: LimitsName
    controller_manager_args: tuple[str, ...]
    described: Mapping[str, str]


_API_SERVER: Final = (
    "as shipped: 400 reads and 200 writes in flight, API priority and fairness on; all clients are "
    "of system:masters and so exempt from both"
)
_GENERATOR: Final = "16 connections in bursts, 64 in open loops, no rate limit"

SHIPPED: Final = Limits(
    "shipped",
    (),
    MappingProxyType(
        {
            "kube-controller-manager": "as shipped: 20 requests/s and bursts of 30 for each "
            "controller, 5 Jobs at a time",
            "kube-apiserver": _API_SERVER,
            "load generator": _GENERATOR,
        }
    ),
)
RAISED: Final = Limits(
    "raised",
    ("--kube-api-qps=1000", "--kube-api-burst=1000", "--concurrent-job-syncs=50"),
    MappingProxyType(
        {
            "kube-controller-manager": "1000 requests/s and bursts of 1000 for each controller, "
            "50 Jobs at a time",
            "kube-apiserver": _API_SERVER,
            "load generator": _GENERATOR,
        }
    ),
)
LIMITS: Final[Mapping[LimitsName, Limits]] = MappingProxyType(
    {limits.name: limits for limits in (SHIPPED, RAISED)}
)
