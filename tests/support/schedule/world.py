"""Everything around the operators: API server, Job controller, kubelet, queue, people.

Simplified where the operators cannot see it, true where they can: one pod of a Job at a time,
the Job's pod failure policy as the operator wrote it, owners' children deleted some time later.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from random import Random
from typing import Any

from preftrain_api.group import LABEL_QUEUE_NAME
from preftrain_operator.kube.port import Json, Kind
from preftrain_operator.runtime.selector import is_told
from support.fake_api import FakeApi
from support.schedule.children import (
    action_on,
    controller_of,
    exit_code_of,
    has_ended,
    is_finished,
    stage_of,
    verdict,
)
from support.schedule.operator import SimulatedOperator
from support.schedule.witness import Witness
from support.situations import NOW, SKIP
from support.training_jobs import SPEC, TRAIN, TRAINED

NAMESPACE, NAME = "team", "run"
SELECTED = ("app.kubernetes.io/managed-by", "preftrain.dev/job-uid")
"""Labels by which children are watched and listed."""
EXIT_CODES = (0, 0, 0, 0, 65, 69, 70, 75, 75, 76, 78, 137, 143)
"""What pods end with, the usual ends more often than others."""
PREEMPTED = 75


class World:
    """One resource, its Jobs and pods, and some operators.

    Attributes:
        history: every status that was ever stored, with the UID of its resource.
        gone: UIDs of resources that were deleted.
        ends: exit codes by pod that the Job controller has seen, by the UID of the Job.
        asleep: an operator whose process is not given any time.
    """

    def __init__(self, random: Random, operators: int = 2) -> None:
        self.random = random
        self.seconds = 0
        self.history: list[tuple[str, Json]] = []
        self.gone: set[str] = set()
        self.ends: dict[str, dict[str, int]] = {}
        self.api = FakeApi()
        self.api.changed = self._tell
        self.operators: list[SimulatedOperator] = []
        self.asleep: SimulatedOperator | None = None
        self._witness = Witness()
        self._told: set[str] = set()
        self._serial = 0
        self.user_applies()
        self.operators += [SimulatedOperator(self.api, self.now) for _ in range(operators)]

    def now(self) -> datetime:
        """The time of the whole world."""
        return NOW + timedelta(seconds=self.seconds)

    def job(self) -> Json | None:
        """The resource, while it is there."""
        return next(iter(self.api.items(Kind.TRAINING_JOBS)), None)

    def unfinished(self, stage: str = "") -> list[Json]:
        """The operators' Jobs that have not ended."""
        return [
            item
            for item in self.api.items(Kind.JOBS)
            if stage_of(item) and not is_finished(item) and stage in ("", stage_of(item))
        ]

    def awake(self) -> list[SimulatedOperator]:
        """The operators that are given time."""
        return [operator for operator in self.operators if operator is not self.asleep]

    def _tell(self, kind: Kind, sort: str, item: Json) -> None:
        if kind is Kind.TRAINING_JOBS and sort != "DELETED":
            self.history.append((item["metadata"]["uid"], item.get("status") or {}))
        if kind is Kind.EVENTS:
            return
        self._witness.see(kind, sort, item)
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
        """Apply the resource, one way or another, unless it is there."""
        if self.job() is not None:
            return
        spec: Json = {**SPEC, "maxRetries": self.random.choice((0, 1, 3))}
        if self._chance(0.5):
            spec["dataset"] = SKIP
        if self._chance(0.4):
            spec["compute"] = {**SPEC["compute"], "queueName": "gpus"}
        for member, seconds in (
            ("activeDeadlineSeconds", 90),
            ("startDeadlineSeconds", 60),
            ("ttlSecondsAfterFinished", 20),
        ):
            if self._chance(0.15):
                spec[member] = seconds
        metadata = {
            "name": NAME,
            "namespace": NAMESPACE,
            "uid": self._new("run"),
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
        items = [item for item in self.api.items(Kind.JOBS) if stage_of(item)]
        if not items:
            return
        chosen = self.random.choice(items)
        pods = self._pods_of(chosen)
        if pods and self._chance(0.5):
            self._remove(chosen, pods[-1], self.random.choice((PREEMPTED, PREEMPTED, 137)))
        else:
            self._delete_job(chosen)

    def somebody_cleans_up(self) -> None:
        """Remove pods as soon as they have ended, one that is just ending among them."""
        for item in self.unfinished("train"):
            for pod in self._pods_of(item):
                if pod["status"]["phase"] != "Pending":
                    self._remove(item, pod, self.random.choice(EXIT_CODES))

    def somebody_takes_labels_away(self) -> None:
        """Edit a child Job or a pod so that no watch and no list tells of it any more."""
        kind = self.random.choice((Kind.JOBS, Kind.PODS))
        items = [item for item in self.api.items(kind) if is_told(kind, item)]
        if items:
            item = self.random.choice(items)
            del item["metadata"]["labels"][self.random.choice(SELECTED)]
            self.api.put(kind, item)

    def stranger(self) -> Json | None:
        """A Job that has one of our names and is nobody's of ours."""
        jobs = self.api.items(Kind.JOBS)
        return next((item for item in jobs if controller_of(item) is None), None)

    def a_stranger_comes_or_goes(self) -> None:
        """Somebody makes a Job under a name that a run may want, or takes it away."""
        there, job = self.stranger(), self.job()
        if there is not None:
            self._delete_job(there)
        elif job is not None:
            status = job["status"]
            revision = job["spec"].get("runRevision", 1)
            wanted = self.random.choice(("prepare", len(status.get("attempts", ())) + 1))
            name = f"{NAME}-r{revision}-{wanted}"
            if all(item["metadata"]["name"] != name for item in self.api.items(Kind.JOBS)):
                metadata = {
                    "name": name,
                    "namespace": NAMESPACE,
                    "uid": self._new("stranger"),
                    "creationTimestamp": self._time(),
                }
                self.api.put(Kind.JOBS, {"metadata": metadata, "spec": {}, "status": {}})

    # What the cluster does.

    def job_controller(self) -> None:
        """Look at a Job: start a pod unless it is suspended, or call it complete or failed."""
        candidates = self.unfinished()
        if not candidates:
            return
        item = self.random.choice(candidates)
        suspended = item["spec"].get("suspend")
        if item["spec"].get("activeDeadlineSeconds") and not suspended:
            for pod in self._pods_of(item):
                if not has_ended(pod):
                    self._end(pod, PREEMPTED)
            self._conclude(item, "Failed", "DeadlineExceeded")
            return
        item = self._count(item)
        pods = self._pods_of(item)
        if pods and not has_ended(pods[-1]):
            return
        found = verdict(item, list(self.ends.get(item["metadata"]["uid"], {}).values()))
        if found is not None:
            self._conclude(item, *found)
        elif not suspended:
            self._start_pod(item)

    def queue(self, *, evict: bool = True) -> None:
        """Admit a queued Job, or take its place away again: its pod ends, and goes."""
        queued = [
            item
            for item in self.unfinished("train")
            if LABEL_QUEUE_NAME in item["metadata"]["labels"]
        ]
        if not queued:
            return
        item = self.random.choice(queued)
        admitted = not item["spec"].get("suspend")
        if admitted and not evict:
            return
        status = {**item.get("status", {}), "startTime": self._time()}
        if admitted:
            del status["startTime"]
        self._witness.queue_writes = True
        item = {**item, "spec": {**item["spec"], "suspend": admitted}, "status": status}
        item = self.api.put(Kind.JOBS, item)
        self._witness.queue_writes = False
        for pod in self._pods_of(item) if admitted else ():
            if not has_ended(pod):
                self._remove(item, pod, PREEMPTED)

    def kubelet(self, code: int | None = None) -> None:
        """A pod runs, or ends with some exit code."""
        pods = [pod for pod in self.api.items(Kind.PODS) if not has_ended(pod)]
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
            self._end(pod, self.random.choice(EXIT_CODES) if code is None else code)

    def garbage_collector(self) -> None:
        """Delete what has lost its owner."""
        job = self.job()
        owner = job["metadata"]["uid"] if job else None
        for item in self.api.items(Kind.JOBS):
            if controller_of(item) not in (None, owner):
                self._delete_job(item)
        jobs = {item["metadata"]["uid"] for item in self.api.items(Kind.JOBS)}
        for pod in self.api.items(Kind.PODS):
            if controller_of(pod) not in jobs:
                self._delete_pod(pod)

    def time_passes(self) -> None:
        """Some seconds."""
        self.seconds += self.random.choice((1, 5, 30))

    def _edit(self, job: Json, **members: Any) -> None:
        job["metadata"]["generation"] += 1
        self.api.put(Kind.TRAINING_JOBS, {**job, "spec": {**job["spec"], **members}})

    def _start_pod(self, job: Json) -> None:
        name = self._new(job["metadata"]["name"])
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
        prepares = stage_of(pod) == "prepare"
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
        job = self._count(job)
        condition = {"type": kind, "status": "True", "reason": reason}
        if reason == "PodFailurePolicy":
            codes = self.ends[job["metadata"]["uid"]].values()
            code = next(code for code in codes if action_on(job, code) == "FailJob")
            condition["message"] = f"Container trainer failed with exit code {code} matching"
        job["status"] = {**(job.get("status") or {}), "conditions": [condition]}
        self.api.put(Kind.JOBS, job)

    def _pods_of(self, job: Json) -> list[Json]:
        uid = job["metadata"]["uid"]
        return [pod for pod in self.api.items(Kind.PODS) if controller_of(pod) == uid]

    def _delete_job(self, job: Json) -> None:
        self.api.take(Kind.JOBS, NAMESPACE, job["metadata"]["name"])
        for pod in self._pods_of(job):
            self._delete_pod(pod)

    def _remove(self, job: Json, pod: Json, code: int) -> None:
        """A pod is deleted: it ends, the Job controller counts it, and it goes."""
        if not has_ended(pod):
            self._end(pod, code)
        self._count(job)
        self._delete_pod(pod)

    def _count(self, job: Json) -> Json:
        """The Job, with its account of the pods that have ended."""
        ends = self.ends.setdefault(job["metadata"]["uid"], {})
        for pod in filter(has_ended, self._pods_of(job)):
            ends.setdefault(pod["metadata"]["uid"], exit_code_of(pod))
        failed = sum(code != 0 and action_on(job, code) != "Ignore" for code in ends.values())
        status = job.get("status") or {}
        if failed == status.get("failed", 0):
            return job
        return self.api.put(Kind.JOBS, {**job, "status": {**status, "failed": failed}})

    def _delete_pod(self, pod: Json) -> None:
        self.api.take(Kind.PODS, NAMESPACE, pod["metadata"]["name"])

    def _new(self, what: str) -> str:
        self._serial += 1
        return f"{what}-{self._serial}"

    def _chance(self, share: float) -> bool:
        return self.random.random() < share

    def _time(self) -> str:
        return self.now().isoformat().replace("+00:00", "Z")
