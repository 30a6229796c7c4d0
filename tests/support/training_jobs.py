"""PreferenceTrainingJobs as tests make, read and change them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cluster.api import Api
from support.waiting import eventually

Json = dict[str, Any]

SPEC: Json = {
    "model": {"uri": "hf://owner/model", "secretRef": {"name": "hub"}},
    "dataset": {"uri": "s3://data/pairs"},
    "method": {"type": "DPO"},
    "output": {"uri": "s3://adapters/team", "secretRef": {"name": "s3"}},
    "compute": {"accelerator": "CPU"},
}
"""A small valid spec; tests change single members of it."""

DIGEST = "sha256:" + "a" * 64
ARTIFACT = {"uri": "s3://adapters/team/x", "digest": DIGEST, "manifest": "s3://adapters/m.json"}
TRAIN: Json = {"stage": "Prepare", "verdict": "Train", "pins": {"modelCommit": "c" * 40}}
"""What prepare says when training may begin."""
TRAINED: Json = {
    "stage": "Train",
    "message": "published",
    "step": 10,
    "totalSteps": 10,
    "gatesJudged": True,
    "artifact": ARTIFACT,
    "metrics": {"loss": 0.5},
}
"""What a training pod says when the adapter is published."""


def make_spec(**members: Any) -> Json:
    """`SPEC` with members replaced; camelCase, None leaves one out."""
    merged = {**SPEC, **members}
    return {key: value for key, value in merged.items() if value is not None}


@dataclass(frozen=True, slots=True)
class TrainingJobs:
    """The jobs of one namespace on a real API server."""

    api: Api
    namespace: str

    def create(self, name: str, spec: Json | None = None) -> Json:
        """Apply a job."""
        body = {
            "apiVersion": "preftrain.dev/v1alpha1",
            "kind": "PreferenceTrainingJob",
            "metadata": {"name": name},
            "spec": spec or SPEC,
        }
        return self.api.call("POST", self._path(), body)

    def patch(self, name: str, spec: Json) -> Json:
        """Change members of a job's spec."""
        return self.api.call("PATCH", f"{self._path()}/{name}", {"spec": spec})

    def delete(self, name: str, policy: str = "Background") -> None:
        """Delete a job as a user does; it may take its time."""
        body = {"propagationPolicy": policy}
        self.api.call("DELETE", f"{self._path()}/{name}", body)

    def is_gone(self, name: str) -> bool:
        """Whether there is no such job."""
        return self.api.request("GET", f"{self._path()}/{name}")[0] == 404

    def edit(self, name: str, change: Json, *, subresource: str = "") -> Json:
        """Change anything of a job, as somebody with all rights."""
        return self.api.call("PATCH", f"{self._path()}/{name}{subresource}", change)

    def edit_child(self, name: str, change: Json, *, subresource: str = "") -> Json:
        """Change anything of a child Job, as somebody with all rights."""
        return self.api.call("PATCH", f"{self._jobs_path()}/{name}{subresource}", change)

    def get(self, name: str) -> Json:
        """The job as stored."""
        return self.api.get(f"{self._path()}/{name}")

    def status(self, name: str) -> Json:
        """Its status."""
        status: Json = self.get(name).get("status") or {}
        return status

    def condition(self, name: str, kind: str) -> Json:
        """One condition; empty while it is not there."""
        return condition_of(self.status(name), kind)

    def wait(self, name: str, kind: str, status: str = "True", reason: str = "") -> Json:
        """Wait for a condition; the job's status then."""

        def reached() -> bool:
            found = self.condition(name, kind)
            return found.get("status") == status and reason in ("", found["reason"])

        eventually(reached, f"{name} is {kind}={status} {reason}", 45)
        return self.status(name)

    def jobs(self) -> list[Json]:
        """The child Jobs, oldest first."""
        found: list[Json] = self.api.get(self._jobs_path())["items"]
        return sorted(found, key=lambda job: job["metadata"]["creationTimestamp"])

    def wait_for_jobs(self, condition: Callable[[list[Json]], bool], what: str) -> list[Json]:
        """Wait until the child Jobs are as wanted."""
        eventually(lambda: condition(self.jobs()), what)
        return self.jobs()

    def delete_child(self, name: str) -> None:
        """Delete a child Job as a user would."""
        body = {"propagationPolicy": "Background"}
        self.api.call("DELETE", f"{self._jobs_path()}/{name}", body)

    def events(self, name: str) -> list[Json]:
        """The operator's Events about a job."""
        found = self.api.get(f"/api/v1/namespaces/{self.namespace}/events")["items"]
        return [
            event
            for event in found
            if event["involvedObject"]["kind"] == "PreferenceTrainingJob"
            and event["involvedObject"]["name"] == name
        ]

    def _path(self) -> str:
        return f"/apis/preftrain.dev/v1alpha1/namespaces/{self.namespace}/preferencetrainingjobs"

    def _jobs_path(self) -> str:
        return f"/apis/batch/v1/namespaces/{self.namespace}/jobs"


def condition_of(status: Json, kind: str) -> Json:
    """One condition of a status; empty while it is not there."""
    for condition in status.get("conditions", ()):
        if condition["type"] == kind:
            found: Json = condition
            return found
    return {}
