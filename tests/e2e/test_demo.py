"""The demo's path on a real node, with assertions, and the ways in which it must not succeed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cluster.leftovers import leftovers
from cluster.place import Place
from cluster.processes import running
from cluster.session import find_cluster
from demo.install import NAMESPACE, REPOSITORY, SYSTEM_NAMESPACE, Kubectl
from demo.job import read_job
from demo.stack import BUCKET, Stack
from preftrain_api.manifest import Manifest
from preftrain_trainer.places.store import file_sha256
from support.waiting import eventually

pytestmark = pytest.mark.e2e

EXAMPLE = REPOSITORY / "examples" / "demo-smollm2.yaml"
TERMINAL_REASONS = {"Succeeded", "Failed", "PublishedUnevaluated", "GatesNotPassed"}


@pytest.fixture(scope="module")
def demo() -> subprocess.CompletedProcess[str]:
    """One whole `make demo`; the cluster stays for the tests that follow it."""
    return run_demo("up")


def run_demo(*words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "dev")}
    return subprocess.run(
        [sys.executable, "-m", "demo", *words],
        env=environment,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=2400,
    )


def kubectl() -> Kubectl:
    return Kubectl(find_cluster().kubeconfig)


def variant(tmp_path: Path, name: str, **training: Any) -> Path:
    """The example under another name, with other training settings."""
    manifest = read_job(EXAMPLE)
    manifest["metadata"]["name"] = name
    manifest["spec"]["training"] |= training
    path = tmp_path / f"{name}.yaml"
    path.write_text(json.dumps(manifest))
    return path


def test_the_demo_ends_with_a_verified_adapter(demo: subprocess.CompletedProcess[str]) -> None:
    """From nothing to an adapter that is better than chance, and every file as listed."""
    assert demo.returncode == 0, demo.stdout[-4000:]
    status = kubectl().get("ptj", "demo-smollm2", "-n", NAMESPACE)
    assert status is not None
    conditions = {entry["type"]: entry["status"] for entry in status["status"]["conditions"]}
    assert conditions["Succeeded"] == "True"
    assert conditions["Ready"] == "True"
    folder = (
        Stack.of(find_cluster()).s3.data / BUCKET / "adapters" / NAMESPACE / "demo-smollm2" / "r1"
    )
    manifest = Manifest.parse(json.loads((folder / "manifest.json").read_text()))
    assert {entry.path for entry in manifest.files} >= {
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
    }
    for entry in manifest.files:
        assert file_sha256(folder / entry.path) == entry.sha256, entry.path


def test_the_demo_shows_what_it_promises(demo: subprocess.CompletedProcess[str]) -> None:
    """Table, interval, answers side by side, verified listing, curves: all are printed."""
    for promised in ("STATE", "Wilson", "adapter_model.safetensors", "tokens", "margin"):
        assert promised in demo.stdout, f"{promised} is missing in:\n{demo.stdout[-4000:]}"


def test_a_model_that_learnt_nothing_is_withheld(
    demo: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    """The same demo with learning rate 0 fails: its adapter does not beat chance."""
    assert demo.returncode == 0
    path = variant(tmp_path, "demo-rate-zero", learningRate=0, maxSteps=2)
    ended = run_demo("up", "--job", str(path))
    assert ended.returncode == 1, ended.stdout[-4000:]
    assert "GatesNotPassed" in ended.stdout
    folder = Stack.of(find_cluster()).s3.data / BUCKET / "adapters" / NAMESPACE / "demo-rate-zero"
    assert not list(folder.glob("r1/manifest.json"))
    assert list(folder.glob("r1/withheld/**/adapter_model.safetensors"))


def test_the_end_of_a_pod_is_seen_by_an_operator_that_was_away(
    demo: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    """The operator is killed and down while the pod finishes; afterwards nothing is doubled."""
    assert demo.returncode == 0
    kube, name = kubectl(), "demo-operator-away"
    path = variant(tmp_path, name, maxSteps=4)
    kube("apply", "-f", str(path))

    def running_pod() -> dict[str, Any] | None:
        pods = kube.get("pods", "-n", NAMESPACE, "-l", f"preftrain.dev/job={name}") or {}
        for pod in pods.get("items", ()):
            stage = pod["metadata"]["labels"]["preftrain.dev/stage"]
            if stage == "train" and pod["status"]["phase"] == "Running":
                found: dict[str, Any] = pod
                return found
        return None

    def recorded() -> bool:
        resource = kube.get("ptj", name, "-n", NAMESPACE) or {}
        attempts = resource.get("status", {}).get("attempts") or [{}]
        return bool(attempts[-1].get("podUid"))

    eventually(running_pod, "the training pod runs", 180)
    eventually(recorded, "its UID is in the status", 30)
    before = running_pod()
    assert before is not None
    kube("scale", "deployment/preftrain", "-n", SYSTEM_NAMESPACE, "--replicas=0")
    operator_pods = ("pods", "-n", SYSTEM_NAMESPACE)
    kube("delete", *operator_pods, "--all", "--grace-period=0", "--force")

    def phase() -> str:
        pod = kube.get("pod", before["metadata"]["name"], "-n", NAMESPACE)
        return str((pod or {}).get("status", {}).get("phase"))

    eventually(lambda: phase() == "Succeeded", "the training pod has succeeded", 600)
    kube("scale", "deployment/preftrain", "-n", SYSTEM_NAMESPACE, "--replicas=1")

    def succeeded() -> bool:
        resource = kube.get("ptj", name, "-n", NAMESPACE) or {}
        conditions = resource.get("status", {}).get("conditions", ())
        return any(c["type"] == "Succeeded" and c["status"] == "True" for c in conditions)

    eventually(succeeded, "the job has succeeded", 120)
    resource = kube.get("ptj", name, "-n", NAMESPACE)
    assert resource is not None
    attempt = resource["status"]["attempts"][-1]
    assert attempt["podUid"] == before["metadata"]["uid"]
    owner = before["metadata"]["ownerReferences"][0]
    assert attempt["jobUid"] == owner["uid"]
    events = kube.get("events", "-n", NAMESPACE) or {}
    terminal = [
        event
        for event in events.get("items", ())
        if event["involvedObject"]["name"] == name and event["reason"] in TERMINAL_REASONS
    ]
    assert len(terminal) == 1


def test_the_way_back_leaves_nothing(demo: subprocess.CompletedProcess[str]) -> None:
    """`make demo-down` ends processes, mounts, bridge and containers, and the demo's servers."""
    assert demo.returncode == 0
    stack = Stack.of(find_cluster())
    services = (stack.s3.service, stack.prometheus.service)
    assert all(running(service) for service in services)
    ended = run_demo("down")
    assert ended.returncode == 0, ended.stdout[-4000:]
    assert not any(running(service) for service in services)
    assert leftovers(Place.of_user()) == []
