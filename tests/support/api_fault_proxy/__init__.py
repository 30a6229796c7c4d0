"""A proxy between one operator and a real API server that makes faults, each run the same.

The operator is a process and knows nothing of it: its kubeconfig leads here. Requests meet
the actions that a test has set; watch streams are sent on as a schedule says. What both decide
depends on the number of the request, or on a seed, and never on the clock.
"""

from support.api_fault_proxy.actions import (
    Rule,
    after_commit,
    answer,
    before_commit,
    cut,
    hold,
    late,
    lost,
    stale,
)
from support.api_fault_proxy.exchange import Exchange
from support.api_fault_proxy.proxy import FaultProxy
from support.api_fault_proxy.watches import (
    Ending,
    broken,
    delayed,
    dropped,
    reordered,
    repeated,
    watch_error,
)

__all__ = [
    "Ending",
    "Exchange",
    "FaultProxy",
    "Rule",
    "after_commit",
    "answer",
    "before_commit",
    "broken",
    "cut",
    "delayed",
    "dropped",
    "hold",
    "late",
    "lost",
    "reordered",
    "repeated",
    "stale",
    "watch_error",
]
