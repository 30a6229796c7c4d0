"""Everything around the operators: API server, Job controller, kubelet, garbage collector, user.

Simplified where the operators cannot see it, true where they can: one pod of a Job at a time,
the Job's pod failure policy as the operator wrote it, owners' children deleted some time later.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

from preftrain_operator.kube.port import Json, Kind
from preftrain_operator.runtime.selector import is_told
from support.fake_api import FakeApi
from support.schedule.operator import SimulatedOperator
from support.situations import NOW, SKIP
from support.training_jobs import SPEC, TRAIN, TRAINED

NAMESPACE, NAME = "team", "run"
STAGE = "preftrain.dev/stage"
SELECTED = ("app.kubernetes.io/managed-by", "preftrain.dev/job-uid")
"""Labels by which children are watched and listed."""
EXIT_CODES = (0, 0, 0, 0, 65, 69, 70, 75, 75, 76, 78, 137, 143)
"""What pods end with, the usual ends more often than others."""


class World:
    """One resource, its Jobs and pods, and two operators.

    Attributes:
        history: every status that was ever stored, with the UID of its resource.
        gone: UIDs of resources that were deleted.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.seconds = 0
        self.history: list[tuple[str, Json]] = []
        self.gone: set[str] = set()
        self._told: set[str] = set()
        self.api = FakeApi()
        self.api.changed = self._tell
        self.operators: list[SimulatedOperator] = []
        self.serial = 0
        self.user_applies()
        self.operators += [SimulatedOperator(self.api, self.now) for _ in range(2)]

    def now(self) -> datetime:
        """The time of the whole world."""
        return NOW + timedelta(seconds=self.seconds)

    def job(self) -> Json | None:
        """The resource, while it is there."""
        return next(iter(self.api.items(Kind.TRAINING_JOBS)), None)

    def unfinished(self, stage: str = "") -> list[Json]:
        """Jobs of the Job controller's that have not ended."""
        return [
            item
            for item in self.api.items(Kind.JOBS)
            if not _condition_types(item) and stage in ("", item["metadata"]["labels"][STAGE])
        ]

    def _tell(self, kind: Kind, sort: str, item: Json) -> None:
        if kind is Kind.TRAINING_JOBS and sort != "DELETED":
            self.history.append((item["metadata"]["uid"], item.get("status") or {}))
        if kind is Kind.EVENTS:
            return
        uid = item["metadata"]["uid"]
        if not is_told(kind, item):
            # A watch with a selector tells of what leaves it as of what was deleted.
            if uid not in self._told:
                return
            sort = "DELETED"
        (self._told.discard if sort == "DELETED" else self._told.add)(uid)
        for operator in self.operators:
            operator.hear((kind, sort, item))

    # What people do.

    def user_applies(self) -> None:
        """Apply the resource, with or without prepare, unless it is there."""
        if self.job() is not None:
            return
        self.serial += 1
        spec: Json = {**SPEC, "maxRetries": self.random.choice((0, 1, 3))}
        if self.random.random() < 0.5:
            spec["dataset"] = SKIP
        metadata = {
            "name": NAME,
            "namespace": NAMESPACE,
            "uid": f"run-{self.serial}",
            "generation": 1,
            "creationTimestamp": self._time(),
        }
        self.api.put(Kind.TRAINING_JOBS, {"metadata": metadata, "spec": spec, "status": {}})

    def user_suspends(self) -> None:
        """Or resumes."""
        job = self.job()
        if job is not None:
            self._edit(job, suspend=not job["spec"].get("suspend", False))

    def user_runs_again(self) -> None:
        """Raise the revision of a run that has ended."""
        job = self.job()
        if job is not None and "completionTime" in job["status"]:
            self._edit(job, runRevision=job["spec"].get("runRevision", 1) + 1)

    def user_deletes(self) -> None:
        """Delete the resource; its children follow later."""
        job = self.job()
        if job is not None:
            self.gone.add(job["metadata"]["uid"])
            self.api.take(Kind.TRAINING_JOBS, NAMESPACE, NAME)

    def somebody_deletes_a_job(self) -> None:
        """Delete a child Job by hand, or only its pod."""
        items = self.api.items(Kind.JOBS)
        if not items:
            return
        chosen = self.random.choice(items)
        pods = self._pods_of(chosen)
        if pods and self.random.random() < 0.5:
            self._delete_pod(pods[-1])
        else:
            self._delete_job(chosen)

    def somebody_takes_labels_away(self) -> None:
        """Edit a child Job or a pod so that no watch and no list tells of it any more."""
        kind = self.random.choice((Kind.JOBS, Kind.PODS))
        items = [item for item in self.api.items(kind) if is_told(kind, item)]
        if items:
            item = self.random.choice(items)
            del item["metadata"]["labels"][self.random.choice(SELECTED)]
            self.api.put(kind, item)

    # What the cluster does.

    def job_controller(self) -> None:
        """Look at a Job: start a pod, or call the Job complete or failed."""
        candidates = self.unfinished()
        if not candidates:
            return
        item = self.random.choice(candidates)
        if "deletionTimestamp" in item["metadata"]:
            self._delete_job(item)
            return
        if item["spec"].get("activeDeadlineSeconds"):
            for pod in self._pods_of(item):
                if not _has_ended(pod):
                    self._end(pod, 75)
            self._conclude(item, "Failed", "DeadlineExceeded")
            return
        pods = self._pods_of(item)
        if pods and not _has_ended(pods[-1]):
            return
        verdict = _verdict(item, pods)
        if verdict is not None:
            self._conclude(item, *verdict)
        else:
            self._start_pod(item)

    def kubelet(self) -> None:
        """A pod runs, or ends with some exit code."""
        pods = [pod for pod in self.api.items(Kind.PODS) if not _has_ended(pod)]
        if not pods:
            return
        pod = self.random.choice(pods)
        if pod["status"]["phase"] == "Pending":
            running = {"running": {"startedAt": self._time()}}
            pod["status"] |= {
                "phase": "Running",
                "podIP": "10.0.0.1",
                "containerStatuses": [{"name": "trainer", "state": running}],
            }
            self.api.put(Kind.PODS, pod)
        else:
            self._end(pod, self.random.choice(EXIT_CODES))

    def garbage_collector(self) -> None:
        """Delete what has lost its owner."""
        job = self.job()
        owner = job["metadata"]["uid"] if job else None
        for item in self.api.items(Kind.JOBS):
            if item["metadata"]["ownerReferences"][0]["uid"] != owner:
                self._delete_job(item)
        jobs = {item["metadata"]["uid"] for item in self.api.items(Kind.JOBS)}
        for pod in self.api.items(Kind.PODS):
            if pod["metadata"]["ownerReferences"][0]["uid"] not in jobs:
                self._delete_pod(pod)

    def time_passes(self) -> None:
        """Some seconds."""
        self.seconds += self.random.choice((1, 5, 30))

    def _edit(self, job: Json, **members: Any) -> None:
        job["metadata"]["generation"] += 1
        self.api.put(Kind.TRAINING_JOBS, {**job, "spec": {**job["spec"], **members}})

    def _start_pod(self, job: Json) -> None:
        self.serial += 1
        name = f"{job['metadata']['name']}-{self.serial}"
        metadata = {
            "name": name,
            "namespace": NAMESPACE,
            "uid": name,
            "creationTimestamp": self._time(),
            "labels": job["spec"]["template"]["metadata"]["labels"],
            "ownerReferences": [{"uid": job["metadata"]["uid"], "controller": True}],
        }
        spec = {"nodeName": "node-1"}
        self.api.put(
            Kind.PODS, {"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}
        )

    def _end(self, pod: Json, code: int) -> None:
        prepares = pod["metadata"]["labels"][STAGE] == "prepare"
        if prepares and code not in (0, 65, 69, 70, 137):
            code = 0
        said = json.dumps(TRAIN if prepares else TRAINED) if code == 0 else ""
        times = {"startedAt": self._time(), "finishedAt": self._time()}
        state = {"terminated": {"exitCode": code, "message": said, **times}}
        pod["status"] = {
            "phase": "Succeeded" if code == 0 else "Failed",
            "containerStatuses": [{"name": "trainer", "state": state}],
        }
        self.api.put(Kind.PODS, pod)

    def _conclude(self, job: Json, kind: str, reason: str) -> None:
        job["status"] = {"conditions": [{"type": kind, "status": "True", "reason": reason}]}
        self.api.put(Kind.JOBS, job)

    def _pods_of(self, job: Json) -> list[Json]:
        uid = job["metadata"]["uid"]
        return [
            pod
            for pod in self.api.items(Kind.PODS)
            if pod["metadata"]["ownerReferences"][0]["uid"] == uid
        ]

    def _delete_job(self, job: Json) -> None:
        self.api.take(Kind.JOBS, NAMESPACE, job["metadata"]["name"])
        for pod in self._pods_of(job):
            self._delete_pod(pod)

    def _delete_pod(self, pod: Json) -> None:
        self.api.take(Kind.PODS, NAMESPACE, pod["metadata"]["name"])

    def _time(self) -> str:
        return self.now().isoformat().replace("+00:00", "Z")


def _has_ended(pod: Json) -> bool:
    return pod["status"]["phase"] in ("Succeeded", "Failed")


def _condition_types(job: Json) -> list[str]:
    return [item["type"] for item in (job.get("status") or {}).get("conditions") or ()]


def _verdict(job: Json, pods: list[Json]) -> tuple[str, str] | None:
    """What the Job controller makes of a Job's pods that have all ended."""
    codes = [
        pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] for pod in pods
    ]
    if 0 in codes:
        return "Complete", "Completed"
    counted = 0
    for code in codes:
        action = next((action for wanted, action in _rules(job) if code in wanted), "Count")
        if action == "FailJob":
            return "Failed", "PodFailurePolicy"
        counted += action == "Count"
    return ("Failed", "BackoffLimitExceeded") if counted > job["spec"]["backoffLimit"] else None


def _rules(job: Json) -> Iterator[tuple[list[int], str]]:
    for rule in job["spec"]["podFailurePolicy"]["rules"]:
        if "onExitCodes" in rule:
            yield rule["onExitCodes"]["values"], rule["action"]
