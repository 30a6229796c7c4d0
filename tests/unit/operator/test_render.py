"""Job manifests, whole and in the parts that depend on the spec."""

import json
from pathlib import Path
from typing import Any

import pytest

from preftrain_api.exit_codes import ExitCode
from preftrain_api.run_spec import RunSpec
from preftrain_operator.core.render import failure_rules, render_job
from support.situations import look, make_job, situate
from support.training_jobs import SPEC

GOLDEN = Path(__file__).parent / "golden"


def rendered(stage: Any = "Train", **members: Any) -> dict[str, Any]:
    """The Job of a spec with some members changed."""
    situation = situate(look(make_job({**SPEC, **members})))
    return render_job(situation, stage, 0 if stage == "Prepare" else 1)


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    """The pod template's spec."""
    spec: dict[str, Any] = job["spec"]["template"]["spec"]
    return spec


def container_of(job: dict[str, Any]) -> dict[str, Any]:
    """The one container."""
    (container,) = pod_of(job)["containers"]
    found: dict[str, Any] = container
    return found


@pytest.mark.case(22)
@pytest.mark.parametrize("stage", ["Prepare", "Train"])
def test_the_whole_manifest(stage: str) -> None:
    """Any change of what is created is a change of these files, to be seen in review."""
    job = rendered(stage)
    annotations = job["spec"]["template"]["metadata"]["annotations"]
    run = RunSpec.parse(json.loads(annotations.pop("preftrain.dev/run-spec")))
    assert run.stage == stage
    assert run.identity.name == "run"
    assert run.spec.training is not None
    assert run.spec.training.learning_rate == 5e-6
    file = GOLDEN / f"{stage.lower()}.json"
    assert job == json.loads(file.read_text())


@pytest.mark.fault(7, 8)
def test_the_failure_policy_is_made_from_the_table_of_exit_codes() -> None:
    """Every code is treated once: final ones fail the Job, 75 is not counted, others retry."""
    fail, ignore, disruption = failure_rules()
    assert fail["action"] == "FailJob"
    assert fail["onExitCodes"]["values"] == [64, 65, 66, 71, 76, 77, 78]
    assert ignore["action"] == "Ignore"
    assert ignore["onExitCodes"]["values"] == [ExitCode.PREEMPTED]
    assert disruption["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]


def test_only_training_gets_the_gpu() -> None:
    """One GPU, as request and limit, beside what the user asked for."""
    compute = {
        "gpuResourceName": "vendor.example/gpu",
        "resources": {"requests": {"cpu": 4}, "limits": {"memory": "32Gi"}},
        "nodeSelector": {"gpu": "yes"},
        "runtimeClassName": "nvidia",
    }
    train = rendered(compute=compute)
    assert container_of(train)["resources"] == {
        "requests": {"cpu": 4, "vendor.example/gpu": 1},
        "limits": {"memory": "32Gi", "vendor.example/gpu": 1},
    }
    assert pod_of(train)["nodeSelector"] == {"gpu": "yes"}
    prepare = rendered("Prepare", compute=compute)
    assert "limits" not in container_of(prepare)["resources"]
    assert "nodeSelector" not in pod_of(prepare)
    assert "runtimeClassName" not in pod_of(prepare)


def test_a_queue_admits_the_training_job_alone() -> None:
    """Created suspended, with the queue's label; prepare holds no GPU and is not queued."""
    compute = {"queueName": "gpus"}
    train, prepare = rendered(compute=compute), rendered("Prepare", compute=compute)
    assert train["spec"]["suspend"] is True
    assert train["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    assert "suspend" not in prepare["spec"]
    assert "kueue.x-k8s.io/queue-name" not in prepare["metadata"]["labels"]


def test_claims_are_one_volume_however_often_they_are_mounted() -> None:
    """Model and data read-only, the output writable, by a group that may write."""
    places = {
        "model": {"uri": "pvc://shared/models/x"},
        "dataset": {"uri": "pvc://shared/data"},
        "output": {"uri": "pvc://results/out"},
    }
    job = rendered(**places)
    claims = [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in pod_of(job)["volumes"]
        if "persistentVolumeClaim" in volume
    ]
    assert claims == ["shared", "results"]
    mounts = {mount["mountPath"]: mount for mount in container_of(job)["volumeMounts"]}
    assert mounts["/mnt/preftrain/model"]["readOnly"] is True
    assert mounts["/mnt/preftrain/dataset"]["name"] == mounts["/mnt/preftrain/model"]["name"]
    assert "readOnly" not in mounts["/mnt/preftrain/output"]
    assert "readOnly" not in mounts["/mnt/preftrain/checkpoint"]
    assert pod_of(job)["securityContext"]["fsGroup"] == 65532


def test_a_cache_claim_replaces_the_folder() -> None:
    """The claim is mounted at /cache; without one a bounded folder is."""
    job = rendered(compute={"cache": {"claimName": "models"}})
    mounts = {mount["mountPath"]: mount["name"] for mount in container_of(job)["volumeMounts"]}
    volume = next(item for item in pod_of(job)["volumes"] if item["name"] == mounts["/cache"])
    assert volume["persistentVolumeClaim"] == {"claimName": "models"}
    job = rendered(compute={"cache": {"sizeLimit": "20Gi"}})
    volume = next(item for item in pod_of(job)["volumes"] if item["name"] == "cache")
    assert volume["emptyDir"] == {"sizeLimit": "20Gi"}


@pytest.mark.fault(35)
def test_labels_of_the_user_never_replace_ours() -> None:
    """The operator finds its pods by them."""
    compute = {
        "podLabels": {"team": "a", "app.kubernetes.io/managed-by": "me"},
        "podAnnotations": {"note": "b"},
    }
    metadata = rendered(compute=compute)["spec"]["template"]["metadata"]
    assert metadata["labels"]["team"] == "a"
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "preftrain"
    assert metadata["annotations"]["note"] == "b"


@pytest.mark.fault(28)
def test_no_secret_passes_through() -> None:
    """Secrets are mounted by name, each place's own."""
    job = rendered()
    secrets = {
        volume["name"]: volume["secret"]["secretName"]
        for volume in pod_of(job)["volumes"]
        if "secret" in volume
    }
    assert secrets == {"secret-model": "hub", "secret-checkpoint": "s3", "secret-output": "s3"}


def test_retries_of_the_job_leave_room_for_the_operators_count() -> None:
    """One more than maxRetries: a kill that is nobody's fault counts for the Job."""
    assert rendered(maxRetries=5)["spec"]["backoffLimit"] == 6


@pytest.mark.case(22)
def test_scheduling_is_passed_through() -> None:
    """Tolerations, affinity, priority, account, pull secrets, grace period, environment."""
    compute = {
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
        "serviceAccountName": "trainer",
        "imagePullSecrets": [{"name": "registry"}],
        "env": [{"name": "HOME", "value": "/work"}],
    }
    job = rendered(compute=compute, terminationGracePeriodSeconds=300)
    pod = pod_of(job)
    for key in ("tolerations", "affinity", "priorityClassName", "serviceAccountName"):
        assert pod[key] == compute[key]
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["terminationGracePeriodSeconds"] == 300
    assert pod["automountServiceAccountToken"] is False
    names = [variable["name"] for variable in container_of(job)["env"]]
    assert names.count("HOME") == 1
