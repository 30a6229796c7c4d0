"""What GitOps tools make of an object: the generic rules of kstatus, written down once more.

Source: `pkg/kstatus/status/generic.go` and `core.go` of kubernetes-sigs/cli-utils, as Flux and
Helm use them for kinds that they do not know.
"""

from __future__ import annotations

from typing import Any, Literal

Verdict = Literal["InProgress", "Failed", "Current", "Terminating"]


def kstatus(item: dict[str, Any]) -> Verdict:
    """The verdict on an object as the API server holds it."""
    metadata, status = item["metadata"], item.get("status") or {}
    if "deletionTimestamp" in metadata:
        return "Terminating"
    observed = status.get("observedGeneration")
    if observed is not None and observed != metadata["generation"]:
        return "InProgress"
    held = {each["type"]: each["status"] for each in status.get("conditions", ())}
    if held.get("Reconciling") == "True":
        return "InProgress"
    if held.get("Stalled") == "True":
        return "Failed"
    if "Ready" in held:
        return "Current" if held["Ready"] == "True" else "InProgress"
    return "Current"


def is_met(item: dict[str, Any], kind: str, wanted: str = "True") -> bool:
    """Whether `kubectl wait --for=condition=KIND=WANTED` returns: as it does, conditions of an
    older generation are passed over.
    """
    generation = item["metadata"]["generation"]
    return any(
        each["status"] == wanted
        for each in (item.get("status") or {}).get("conditions", ())
        if each["type"] == kind and each.get("observedGeneration", generation) >= generation
    )
