"""Plays the kubelet: writes the status of pods as a node would, in one step for each state.

No container runs. The pods are never bound to a node and have no address, so nobody can ask
them for progress.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bench.operator.load import Client, in_burst

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that has not ended."""

    name: str
    container: str


@dataclass(frozen=True, slots=True)
class Kubelet:
    """A node for the pods of one namespace."""

    client: Client
    namespace: str

    async def open_pods(self) -> list[Pod]:
        """The pods that have not ended, in the order of their names."""
        return [
            Pod(item["metadata"]["name"], item["spec"]["containers"][0]["name"])
            async for item in self.client.items(self._path())
            if item["status"].get("phase") not in ("Succeeded", "Failed")
        ]

    async def run(self, pods: Sequence[Pod]) -> None:
        """Start the containers of all pods."""
        state = {"running": {"startedAt": _now()}}
        ready = [{"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady")]
        await in_burst(pods, lambda pod: self._write(pod, "Running", state, ready))

    async def end(self, pods: Sequence[Pod], message: str) -> None:
        """End the containers of all pods well, with a termination message."""
        times = {"startedAt": _now(), "finishedAt": _now()}
        terminated = {"exitCode": 0, "reason": "Completed", "message": message, **times}
        ready = [{"type": kind, "status": "False"} for kind in ("Ready", "ContainersReady")]
        state = {"terminated": terminated}
        await in_burst(pods, lambda pod: self._write(pod, "Succeeded", state, ready))

    async def _write(self, pod: Pod, phase: str, state: Json, conditions: list[Json]) -> None:
        container = {
            "name": pod.container,
            "image": "bench",
            "imageID": "",
            "ready": "running" in state,
            "restartCount": 0,
            "state": state,
        }
        status = {"phase": phase, "conditions": conditions, "containerStatuses": [container]}
        body = {"status": {**status, "startTime": _now()}}
        await self.client.call("PATCH", f"{self._path()}/{pod.name}/status", body)

    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
