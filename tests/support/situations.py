"""Situations for table tests: a job with chosen status, Jobs and pods, at a fixed time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from preftrain_operator.core.decide import decide
from preftrain_operator.core.notices import Notice
from preftrain_operator.core.observed import Observed, Refusal, Report, observe
from preftrain_operator.core.plan import Plan
from preftrain_operator.core.situation import Installation, Situation
from preftrain_operator.kube.port import Kind
from preftrain_operator.runtime.trim import trim
from support.training_jobs import SPEC

Json = dict[str, Any]

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
UID = "11111111-0000-0000-0000-000000000000"
INSTALLATION = Installation("prepare:1", "trainer:1", ("team/*", "other:2"))


def at(seconds: float = 0) -> str:
    """A time, in seconds from `NOW`."""
    return (NOW + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def make_job(
    spec: Json | None = None,
    status: Json | None = None,
    *,
    generation: int = 1,
    deleting: bool = False,
) -> Json:
    """A PreferenceTrainingJob `team/run` as the API server holds it."""
    metadata = {
        "name": "run",
        "namespace": "team",
        "uid": UID,
        "resourceVersion": "100",
        "generation": generation,
        "creationTimestamp": at(-60),
    }
    if deleting:
        metadata["deletionTimestamp"] = at()
    return {"metadata": metadata, "spec": spec or SPEC, "status": status or {}}


def make_child(
    stage: str = "train",
    attempt: int = 1,
    *,
    uid: str = "",
    conditions: dict[str, Json] | None = None,
    owner: str = UID,
    revision: int = 1,
    deleting: bool = False,
    **spec: Any,
) -> Json:
    """A child Job; `conditions` maps types that are True to further fields."""
    suffix = "prepare" if stage == "prepare" else str(attempt)
    labels = {
        "app.kubernetes.io/managed-by": "preftrain",
        "preftrain.dev/stage": stage,
        "preftrain.dev/revision": str(revision),
        "preftrain.dev/job-uid": UID,
    }
    if stage == "train":
        labels["preftrain.dev/attempt"] = str(attempt)
    metadata: Json = {
        "name": f"run-r{revision}-{suffix}",
        "namespace": "team",
        "uid": uid or f"job-{stage}-{attempt}",
        "resourceVersion": "50",
        "creationTimestamp": at(-30),
        "labels": labels,
        "ownerReferences": [{"uid": owner, "controller": True}],
    }
    if deleting:
        metadata["deletionTimestamp"] = at()
    held = [{"type": kind, "status": "True", **more} for kind, more in (conditions or {}).items()]
    return {"metadata": metadata, "spec": spec, "status": {"conditions": held}}


def make_pod(
    job: Json,
    uid: str = "pod-1",
    *,
    phase: str = "Pending",
    exit_code: int | None = None,
    message: str = "",
    reason: str = "",
    age: float = 20,
    disrupted: bool = False,
    deleting: bool = False,
    waiting: Json | None = None,
    conditions: list[Json] | None = None,
) -> Json:
    """A pod of a child Job; `age` in seconds orders the pods of a Job."""
    state: Json = {}
    if exit_code is not None:
        phase = "Succeeded" if exit_code == 0 else "Failed"
        times = {"startedAt": at(-age + 1), "finishedAt": at(-age + 6)}
        state = {
            "terminated": {"exitCode": exit_code, "reason": reason, "message": message, **times}
        }
    elif phase == "Running":
        state = {"running": {"startedAt": at(-age + 1)}}
    elif waiting:
        state = {"waiting": waiting}
    metadata: Json = {
        "name": f"name-of-{uid}",
        "namespace": "team",
        "uid": uid,
        "resourceVersion": "60",
        "creationTimestamp": at(-age),
        "labels": {
            "app.kubernetes.io/managed-by": "preftrain",
            "preftrain.dev/job-uid": UID,
        },
        "ownerReferences": [{"uid": job["metadata"]["uid"], "controller": True}],
    }
    if deleting:
        metadata["deletionTimestamp"] = at()
    held = list(conditions or [])
    if disrupted:
        held.append({"type": "DisruptionTarget", "status": "True"})
    return {
        "metadata": metadata,
        "spec": {"nodeName": "node-1"},
        "status": {
            "phase": phase,
            "podIP": "10.0.0.1",
            "conditions": held,
            "containerStatuses": [{"name": "trainer", "state": state}],
        },
    }


def look(
    job: Json,
    *children: Json,
    pods: tuple[Json, ...] = (),
    live: bool = False,
    report: Report | None = None,
    refusal: Refusal | None = None,
) -> Observed:
    """The view of a job with its children, of what the store keeps of them."""
    return observe(
        trim(Kind.TRAINING_JOBS, job),
        [trim(Kind.JOBS, child) for child in children],
        [trim(Kind.PODS, pod) for pod in pods],
        live=live,
        report=report,
        refusal=refusal,
    )


def situate(observed: Observed, seconds: float = 0) -> Situation:
    """The situation `seconds` after `NOW`."""
    return Situation(observed, NOW + timedelta(seconds=seconds), INSTALLATION)


def plan_for(
    job: Json,
    *children: Json,
    pods: tuple[Json, ...] = (),
    live: bool = False,
    seconds: float = 0,
    report: Report | None = None,
    refusal: Refusal | None = None,
    notices: tuple[Notice, ...] = (),
) -> Plan:
    """What the whole chain decides; Events are `notices`, when it asks for them."""
    observed = look(job, *children, pods=pods, live=live, report=report, refusal=refusal)
    plan = decide(situate(observed, seconds))
    if plan.ask_about is not None:
        plan = decide(situate(replace(observed, notices=notices), seconds))
    return plan


def after(job: Json, plan: Plan) -> Json:
    """The job with the plan's status stored."""
    return job if plan.status is None else {**job, "status": plan.status.plain()}


def started(spec: Json | None = None) -> Json:
    """A job whose prepare Job is reserved."""
    job = make_job(spec)
    return after(job, plan_for(job))


SKIP = {"uri": "s3://data/pairs", "audit": {"policy": "Skip"}}


def training(**members: Any) -> Json:
    """A job without prepare whose first training Job is reserved."""
    return started({**SPEC, "dataset": SKIP, **members})


def running(**members: Any) -> tuple[Json, Json, Json]:
    """A job whose first pod runs and is recorded, the Job and the pod."""
    job, child = training(**members), make_child()
    pod = make_pod(child, phase="Running")
    return after(job, plan_for(job, child, pods=(pod,))), child, pod


def condition(plan: Plan, kind: str) -> tuple[str, str]:
    """Status and reason of a condition that a plan writes."""
    assert plan.status is not None, "the plan writes no status"
    found = next(item for item in plan.status.conditions if item.type == kind)
    return found.status, found.reason
