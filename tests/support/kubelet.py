"""Plays the kubelet where there is none: it writes pod status as a node would.

Everything else is real: the pods are the Job controller's, and so is what it makes of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cluster.api import Api
from cluster.errors import ApiError
from support.waiting import eventually

Json = dict[str, Any]
NODE = "test-node"


def now() -> str:
    """Now, as Kubernetes writes times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Kubelet:
    """A node for the pods of one namespace."""

    api: Api
    namespace: str

    def pods(self, stage: str = "", job: str = "") -> list[Json]:
        """Our pods, oldest first."""
        labels = ["app.kubernetes.io/managed-by=preftrain"]
        labels += [f"preftrain.dev/stage={stage}"] if stage else []
        labels += [f"batch.kubernetes.io/job-name={job}"] if job else []
        found = self.api.get(f"{self._path()}?labelSelector={','.join(labels)}")["items"]
        return sorted(
            found, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"])
        )

    def pending(self, stage: str = "", job: str = "", timeout_seconds: float = 30.0) -> Json:
        """Wait for a pod that nobody has started."""
        found: list[Json] = []

        def there() -> bool:
            found[:] = [
                pod
                for pod in self.pods(stage, job)
                if pod["status"]["phase"] == "Pending"
                and "deletionTimestamp" not in pod["metadata"]
            ]
            return bool(found)

        eventually(there, f"a pending pod of {job or stage}", timeout_seconds)
        return found[-1]

    def run(self, pod: Json, address: str = "127.0.0.1") -> Json:
        """Bind the pod to a node and start its container."""
        name = pod["metadata"]["name"]
        if "nodeName" not in pod["spec"]:
            binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": NODE}}
            self.api.call("POST", f"{self._path()}/{name}/binding", binding)
        state = {"running": {"startedAt": now()}}
        return self._write(pod, "Running", state, {"podIP": address, "podIPs": [{"ip": address}]})

    def end(self, pod: Json, exit_code: int, message: str | Json = "", reason: str = "") -> Json:
        """End the container with an exit code and a termination message."""
        text = message if isinstance(message, str) else json.dumps(message)
        why = reason or ("Completed" if exit_code == 0 else "Error")
        times = {"startedAt": now(), "finishedAt": now()}
        state = {"terminated": {"exitCode": exit_code, "reason": why, "message": text, **times}}
        return self._write(pod, "Succeeded" if exit_code == 0 else "Failed", state, {})

    def disrupt(self, pod: Json) -> Json:
        """Mark the pod as evicted by the cluster, as the eviction API does."""
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
        }
        condition["lastTransitionTime"] = now()
        name = pod["metadata"]["name"]
        body = {"status": {"conditions": [condition]}}
        return self.api.call("PATCH", f"{self._path()}/{name}/status", body)

    def remove(self, pod: Json) -> None:
        """What a kubelet does when a pod that is being deleted has ended."""
        name = pod["metadata"]["name"]
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        try:
            self.api.call("DELETE", f"{self._path()}/{name}", body)
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    def end_if_held(self, pod: Json) -> None:
        """End a pod by SIGTERM that is being deleted and may be gone already."""
        try:
            self.end(pod, 75)
        except ApiError as error:
            if error.status != 404:
                raise

    def wait(self, pod: Json, condition: Callable[[Json], bool], what: str) -> Json:
        """Wait until the pod is as wanted."""
        path = f"{self._path()}/{pod['metadata']['name']}"
        eventually(lambda: condition(self.api.get(path)), what)
        return self.api.get(path)

    def _write(self, pod: Json, phase: str, state: Json, more: Json) -> Json:
        name = pod["metadata"]["name"]
        container = {
            "name": "trainer",
            "image": "test",
            "imageID": "",
            "ready": "running" in state,
            "restartCount": 0,
            "state": state,
        }
        status = {"phase": phase, "containerStatuses": [container], "startTime": now(), **more}
        return self.api.call("PATCH", f"{self._path()}/{name}/status", {"status": status})

    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"


def _age(pod: Json) -> tuple[str, str]:
    return pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]
