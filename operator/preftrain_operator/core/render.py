"""Job manifests: one function for both stages, so that they differ only where they must.

Nothing of a Secret's content passes through here; pods get secrets by reference.
"""

from typing import Any, Final

from preftrain_api import group
from preftrain_api.exit_codes import ExitCode
from preftrain_api.report import Pins
from preftrain_api.resolve import resolve
from preftrain_api.run_spec import RunIdentity, RunSpec
from preftrain_operator.core.names import Stage, job_name
from preftrain_operator.core.observed import CONTAINER, Observed
from preftrain_operator.core.plan import JobManifest
from preftrain_operator.core.render_pod import pod_spec
from preftrain_operator.core.situation import Situation

PREPARE_RETRIES: Final = 2
"""Retries of the prepare step inside its Job; with the Job controller's delays of 10 s and
20 s an unreachable place is reported after about half a minute."""


def run_spec(
    situation: Situation,
    stage: Stage,
    attempt: int,
    *,
    pins: Pins | None = None,
    spec_hash: str | None = None,
) -> RunSpec:
    """What the pod will be told."""
    observed = situation.observed
    return RunSpec(
        identity=RunIdentity(
            namespace=observed.namespace,
            name=observed.name,
            uid=observed.uid,
            revision=situation.revision,
            attempt=attempt,
        ),
        stage=stage,
        spec=resolve(situation.spec),
        pins=pins,
        spec_hash=spec_hash,
    )


def run_spec_json(run: RunSpec) -> str:
    """The document that goes into the pod template's annotation."""
    return run.model_dump_json(by_alias=True, exclude_none=True)


def render_job(
    situation: Situation,
    stage: Stage,
    attempt: int,
    *,
    pins: Pins | None = None,
    spec_hash: str | None = None,
    retries: int = 0,
) -> JobManifest:
    """The Job of one stage: attempt 0 is prepare, training attempts count from 1.

    `retries` is how many attempts have counted already: the Job's pods share what is left.
    """
    spec, observed = resolve(situation.spec), situation.observed
    compute = spec.compute
    run = run_spec(situation, stage, attempt, pins=pins, spec_hash=spec_hash)
    labels = job_labels(observed, situation.revision, stage, attempt)
    queue = compute.queue_name if compute and stage == "Train" else None
    user_labels = (compute.pod_labels if compute else None) or {}
    user_annotations = (compute.pod_annotations if compute else None) or {}
    job: dict[str, Any] = {
        "completions": 1,
        "parallelism": 1,
        "backoffLimit": (
            max(0, spec.max_retries - retries) + 1 if stage == "Train" else PREPARE_RETRIES
        ),
        # A replacement starts only when the old pod has ended: two at once would share a claim.
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": failure_rules()},
        "template": {
            "metadata": {
                "labels": {**user_labels, **labels},
                "annotations": {
                    **user_annotations,
                    group.ANNOTATION_RUN_SPEC: run_spec_json(run),
                },
            },
            "spec": pod_spec(spec, stage, situation.installation),
        },
    }
    if queue is not None:
        job["suspend"] = True
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(observed.name, situation.revision, stage, attempt),
            "namespace": observed.namespace,
            "labels": {**labels, **({group.LABEL_QUEUE_NAME: queue} if queue else {})},
            "ownerReferences": [owner_reference(observed)],
        },
        "spec": job,
    }


def job_labels(observed: Observed, revision: int, stage: Stage, attempt: int) -> dict[str, str]:
    """Labels of the Job and of its pods."""
    labels = {
        group.LABEL_MANAGED_BY: group.MANAGED_BY,
        group.LABEL_APP_NAME: group.APP_NAME,
        group.LABEL_JOB: observed.name,
        group.LABEL_JOB_UID: observed.uid,
        group.LABEL_REVISION: str(revision),
        group.LABEL_STAGE: stage.lower(),
    }
    return labels if stage == "Prepare" else {**labels, group.LABEL_ATTEMPT: str(attempt)}


def owner_reference(observed: Observed) -> dict[str, Any]:
    """Makes the garbage collector delete the Job with its owner, without holding the owner up."""
    return {
        "apiVersion": group.API_VERSION,
        "kind": group.KIND,
        "name": observed.name,
        "uid": observed.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def failure_rules() -> list[dict[str, Any]]:
    """The pod failure policy, from the table of exit codes: what would end the same way again
    fails the Job at once, what was nobody's fault is not counted.
    """
    final = sorted(int(code) for code in ExitCode if code.is_final)
    uncounted = sorted(
        int(code)
        for code in ExitCode
        if not (code.is_final or code.is_counted or code is ExitCode.DONE)
    )
    return [
        _on_exit_codes("FailJob", final),
        _on_exit_codes("Ignore", uncounted),
        {
            "action": "Ignore",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        },
    ]


def _on_exit_codes(action: str, codes: list[int]) -> dict[str, Any]:
    rule = {"containerName": CONTAINER, "operator": "In", "values": codes}
    return {"action": action, "onExitCodes": rule}
