"""What a real API server accepts and refuses, and what it tells the user."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from cluster.kubectl import kubectl
from preftrain_api.crd.rules import ROOT_RULES
from preftrain_api.group import API_VERSION, KIND, PLURAL
from preftrain_api.spec import FREE_FIELDS, FROZEN_FIELDS, PreferenceTrainingJobSpec
from support.control_plane import CRD_FILE, ApiServer
from support.spec_cases import CASES, COMMIT, FULL, MINIMAL, Case

pytestmark = pytest.mark.integration

Json = dict[str, Any]


def job(spec: Json, name: str = "sample") -> Json:
    """A whole object."""
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}


class Jobs:
    """The jobs of one namespace, through the API server."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self._api = server.api()
        self._path = f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}"

    def create(self, spec: Json, name: str = "sample", *, dry_run: bool = False) -> tuple[int, str]:
        """Status and text of the answer to a strict create."""
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        return self._api.request("POST", self._path + query, job(spec, name))

    def patch(self, name: str, spec: Json, *, dry_run: bool = False) -> tuple[int, str]:
        """Status and text of the answer to a merge patch of the spec."""
        query = "?dryRun=All" if dry_run else ""
        return self._api.request("PATCH", f"{self._path}/{name}{query}", {"spec": spec})

    def write_status(self, name: str, status: Json) -> tuple[int, str]:
        """Status and text of the answer to a merge patch of the status."""
        return self._api.request("PATCH", f"{self._path}/{name}/status", {"status": status})

    def get(self, name: str) -> Json:
        """The stored object."""
        return self._api.get(f"{self._path}/{name}")


@pytest.fixture
def jobs(crd_installed: ApiServer, namespace: str) -> Jobs:
    """The jobs of a namespace of the test's own."""
    return Jobs(crd_installed, namespace)


def message(answer: tuple[int, str]) -> str:
    """What a refusal says; empty when the request was accepted."""
    status, text = answer
    return str(json.loads(text)["message"]) if status >= 400 else ""


@pytest.mark.fault(34)
@pytest.mark.case(17)
def test_each_case_of_the_table_is_accepted_or_refused_with_the_field_named(jobs: Jobs) -> None:
    """The API server agrees with pydantic about every case, and names the field."""
    wrong = []
    for case in CASES:
        said = message(jobs.create(case.spec(), dry_run=True))
        if bool(said) != bool(case.refused) or not _names(case, said):
            wrong.append(f"{case.name}: {said or 'accepted'}")
    assert not wrong, "\n".join(wrong)


def _names(case: Case, said: str) -> bool:
    return case.refused in said and case.message in said


def test_whole_floats_in_json_are_refused_where_a_rule_reads_them(jobs: Jobs) -> None:
    """The one known difference to the command line: kubectl writes 2 for 2.0 in YAML, programs
    that post JSON themselves have to.
    """
    spec = {**MINIMAL, "training": {"batchSize": 8.0, "microBatchSize": 2.0}}
    assert "spec.training" in message(jobs.create(spec, dry_run=True))
    assert message(jobs.create({**MINIMAL, "lora": {"rank": 8.0}}, dry_run=True)) == ""


def kubectl_apply(server: ApiServer, namespace: str, text: str) -> tuple[int, str]:
    """Exit status and output of a plain `kubectl apply -f -`."""
    command = [str(kubectl()), "--kubeconfig", str(server.kubeconfig), "-n", namespace]
    done = subprocess.run(
        [*command, "apply", "-f", "-"], input=text, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


REFUSED_AT_APPLY: dict[str, tuple[Json, str]] = {
    "unknown key": ({"training": {"learnigRate": 1}}, "spec.training.learnigRate"),
    "member of another method": ({"method": {"type": "DPO", "kto": {}}}, "spec.method.kto"),
    "two method members": ({"method": {"type": "DPO", "dpo": {}, "orpo": {}}}, "spec.method.orpo"),
    "remote code without a revision": (
        {"model": {"uri": "hf://a/b", "trustRemoteCode": True}},
        "spec.model.trustRemoteCode",
    ),
    "learning rate as a string": (
        {"training": {"learningRate": "5e-6"}},
        "spec.training.learningRate",
    ),
    "unknown scheme": ({"model": {"uri": "gs://bucket/model"}}, "spec.model.uri"),
    "file in a cluster": ({"dataset": {"uri": "file:///data/pairs.jsonl"}}, "spec.dataset.uri"),
}


@pytest.mark.case(20)
@pytest.mark.parametrize("what", REFUSED_AT_APPLY)
def test_kubectl_apply_refuses_and_names_the_field(
    what: str, crd_installed: ApiServer, namespace: str
) -> None:
    """A bad manifest is refused when it is applied, not when a GPU is held."""
    changes, field = REFUSED_AT_APPLY[what]
    status, said = kubectl_apply(crd_installed, namespace, json.dumps(job({**MINIMAL, **changes})))
    assert status != 0
    assert field in said


@pytest.mark.fault(32)
@pytest.mark.parametrize(
    "name", ["a" * 47, "has.dot", "1" * 47], ids=["too long", "not a label", "digits"]
)
def test_kubectl_apply_refuses_names_that_pods_cannot_carry(
    name: str, crd_installed: ApiServer, namespace: str
) -> None:
    """The refusal names metadata.name and says what to do."""
    status, said = kubectl_apply(crd_installed, namespace, json.dumps(job(MINIMAL, name)))
    assert status != 0
    assert "metadata.name" in said
    assert "shorten or rename it" in said


@pytest.mark.fault(32)
def test_the_longest_name_is_accepted(jobs: Jobs) -> None:
    """46 characters leave room for what Jobs and pods append."""
    assert message(jobs.create(MINIMAL, "a" * 46, dry_run=True)) == ""


def test_manifest_of_the_design_is_applied_as_written(
    crd_installed: ApiServer, namespace: str
) -> None:
    """Ten lines of YAML are a whole job, and numbers need no quotes."""
    text = """
        apiVersion: preftrain.dev/v1alpha1
        kind: PreferenceTrainingJob
        metadata: {name: qwen-dpo}
        spec:
          model:   {uri: hf://unsloth/Qwen2.5-7B-Instruct-bnb-4bit, secretRef: {name: hf-token}}
          dataset: {uri: hf://argilla/ultrafeedback-binarized-preferences-cleaned, split: train}
          method:  {type: DPO, dpo: {beta: 0.1}}
          training: {learningRate: 5e-6}
          output:  {uri: s3://adapters/team-a, secretRef: {name: s3-keys}}
    """
    status, said = kubectl_apply(crd_installed, namespace, text)
    assert status == 0, said
    stored = Jobs(crd_installed, namespace).get("qwen-dpo")
    assert stored["spec"]["training"] == {"learningRate": 5e-6}


def test_client_side_apply_of_the_crd_works(crd_installed: ApiServer) -> None:
    """It is small enough for the annotation in which kubectl keeps what was applied."""
    command = [str(kubectl()), "--kubeconfig", str(crd_installed.kubeconfig)]
    done = subprocess.run(
        [*command, "apply", "--dry-run=server", "-f", str(CRD_FILE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_schema_is_structural(crd_installed: ApiServer) -> None:
    """The API server has no complaint about the schema."""
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{PLURAL}.preftrain.dev"
    conditions = crd_installed.api().get(path)["status"]["conditions"]
    assert {entry["type"]: entry["status"] for entry in conditions} == {
        "NamesAccepted": "True",
        "Established": "True",
    }


def test_new_objects_are_not_taken_for_finished(jobs: Jobs) -> None:
    """Kstatus compares observedGeneration, so it must be there before any operator is."""
    status, text = jobs.create(MINIMAL)
    assert status == 201
    assert json.loads(text)["status"] == {"observedGeneration": -1}


def test_no_default_is_written_into_the_spec(jobs: Jobs) -> None:
    """GitOps tools would report every default as drift."""
    jobs.create(MINIMAL)
    assert jobs.get("sample")["spec"] == MINIMAL


def test_columns_show_what_the_operator_wrote(crd_installed: ApiServer, namespace: str) -> None:
    """`kubectl get ptj` prints State to Age, and `-o wide` the rest."""
    jobs = Jobs(crd_installed, namespace)
    jobs.create(MINIMAL)
    jobs.write_status("sample", {"display": {"state": "Training", "loss": "0.61"}, "retries": 2})
    command = [str(kubectl()), "--kubeconfig", str(crd_installed.kubeconfig), "-n", namespace]
    printed = subprocess.run(
        [*command, "get", "preftrain", "-o", "wide"], capture_output=True, text=True, check=True
    ).stdout
    header, row = printed.splitlines()
    names = "NAME STATE PROGRESS LOSS ETA RETRIES AGE METHOD ACCURACY MARGIN NODE ARTIFACT REASON"
    assert " ".join(header.split()) == names
    assert row.split()[:4] == ["sample", "Training", "0.61", "2"]


CHANGED: Json = {
    "activeDeadlineSeconds": 1,
    "checkpoint": {"keep": 9},
    "compute": {"affinity": {"nodeAffinity": {"other": 1}}},
    "dataset": {"uri": "s3://data/other.jsonl"},
    "evaluation": {"everySteps": 7},
    "guards": [{"name": "Stall"}],
    "lora": {"rank": 4},
    "managedBy": "kueue.x-k8s.io/multikueue",
    "maxRetries": 0,
    "method": {"type": "DPO", "dpo": {"beta": 0.9}},
    "model": {"revision": COMMIT[::-1]},
    "output": {"uri": "s3://adapters/other"},
    "startDeadlineSeconds": 1,
    "terminationGracePeriodSeconds": 1,
    "training": {"seed": 1},
}
"""Another value for every frozen field."""


def test_every_field_is_frozen_or_free() -> None:
    """A new field of the spec must be in one of the two lists, and in the table above."""
    fields = {field.alias for field in PreferenceTrainingJobSpec.model_fields.values()}
    assert fields == set(FROZEN_FIELDS) | FREE_FIELDS
    assert set(CHANGED) == set(FROZEN_FIELDS)
    clauses = {rule.field_path for rule in ROOT_RULES}
    assert {f".spec.{field}" for field in FROZEN_FIELDS if field != "managedBy"} <= clauses


@pytest.mark.case(18)
@pytest.mark.parametrize("field", FROZEN_FIELDS)
@pytest.mark.parametrize("start", [FULL, MINIMAL], ids=["full", "minimal"])
def test_frozen_fields_cannot_change_once_started(jobs: Jobs, start: Json, field: str) -> None:
    """Neither changing, nor adding, nor removing a frozen field gets past a started run."""
    jobs.create(start)
    jobs.write_status("sample", {"startTime": "2026-11-23T00:00:00Z"})
    assert f"spec.{field}" in message(jobs.patch("sample", {field: CHANGED[field]}))
    if field in start and field not in MINIMAL:
        assert f"spec.{field}" in message(jobs.patch("sample", {field: None}))


def test_every_field_but_managed_by_may_change_before_the_start(jobs: Jobs) -> None:
    """Until the operator has set startTime the manifest can be corrected."""
    jobs.create(FULL)
    for field in set(FROZEN_FIELDS) - {"managedBy"}:
        assert message(jobs.patch("sample", {field: CHANGED[field]}, dry_run=True)) == "", field


def test_free_fields_may_change_while_running(jobs: Jobs) -> None:
    """Suspending a run and keeping its pods longer need no new run."""
    jobs.create(MINIMAL)
    jobs.write_status("sample", {"startTime": "2026-11-23T00:00:00Z"})
    assert message(jobs.patch("sample", {"suspend": True, "ttlSecondsAfterFinished": 5})) == ""
    assert message(jobs.patch("sample", {"suspend": None, "ttlSecondsAfterFinished": None})) == ""


def test_a_raised_revision_thaws_a_finished_run_only(jobs: Jobs) -> None:
    """While it runs, a re-run is refused; once it has ended, it may change everything."""
    jobs.create(FULL)
    jobs.write_status("sample", {"startTime": "2026-11-23T00:00:00Z"})
    rerun = {"runRevision": 2, "lora": {"rank": 4}}
    assert "spec.runRevision can be raised only once" in message(jobs.patch("sample", rerun))
    jobs.write_status("sample", {"completionTime": "2026-11-23T01:00:00Z"})
    assert "spec.lora is frozen" in message(jobs.patch("sample", {"lora": {"rank": 4}}))
    everything = {field: CHANGED[field] for field in FROZEN_FIELDS if field != "managedBy"}
    assert message(jobs.patch("sample", {**everything, "runRevision": 2})) == ""
    assert "managedBy cannot be changed" in message(
        jobs.patch("sample", {"managedBy": None, "runRevision": 3})
    )


def test_revision_is_never_lowered(jobs: Jobs) -> None:
    """Neither by a smaller number nor by leaving it out."""
    jobs.create({**MINIMAL, "runRevision": 3})
    assert "spec.runRevision" in message(jobs.patch("sample", {"runRevision": 2}))
    assert "spec.runRevision" in message(jobs.patch("sample", {"runRevision": None}))
    assert message(jobs.patch("sample", {"runRevision": 3})) == ""


@pytest.mark.case(18)
def test_kubectl_apply_names_the_frozen_field(crd_installed: ApiServer, namespace: str) -> None:
    """What GitOps tools show is the field and the way out."""
    text = json.dumps(job(FULL))
    kubectl_apply(crd_installed, namespace, text)
    jobs = Jobs(crd_installed, namespace)
    jobs.write_status("sample", {"startTime": "2026-11-23T00:00:00Z"})
    assert kubectl_apply(crd_installed, namespace, text)[0] == 0, "applying again changes nothing"
    status, said = kubectl_apply(
        crd_installed, namespace, json.dumps(job({**FULL, "lora": {"rank": 4}}))
    )
    assert status != 0
    assert "spec.lora is frozen" in said
    assert "spec.runRevision" in said


def test_status_can_be_written_at_every_stage(jobs: Jobs) -> None:
    """The rules about changes never stand in the operator's way."""
    jobs.create(FULL)
    for status in (
        {"startTime": "2026-11-23T00:00:00Z", "runRevision": 1, "observedGeneration": 1},
        {"progress": {"phase": "Training", "step": 5, "totalSteps": 10, "percent": 50}},
        {"completionTime": "2026-11-23T01:00:00Z"},
        {"startTime": None, "completionTime": None, "runRevision": 2},
        {"startTime": "2026-11-23T02:00:00Z"},
    ):
        assert message(jobs.write_status("sample", status)) == ""
