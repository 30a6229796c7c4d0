"""The demo's job runs on a GPU where there is one, and replaces what an earlier demo left."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.errors import ClusterError
from demo import job
from demo.__main__ import EXAMPLE
from demo.install import Kubectl
from preftrain_api.spec import PreferenceTrainingJobSpec


class FakeKubectl(Kubectl):
    """Answers from a table and records what was asked."""

    def __init__(self, answers: dict[str, list[dict[str, Any] | None]]) -> None:
        object.__setattr__(self, "answers", answers)
        object.__setattr__(self, "asked", [])

    def __call__(self, *words: str, stdin: str | None = None, check: bool = True) -> str:
        self.asked.append((words, stdin))  # type: ignore[attr-defined]
        return ""

    def get(self, *words: str) -> dict[str, Any] | None:
        answers = self.answers[words[0]]  # type: ignore[attr-defined]
        return answers.pop(0) if len(answers) > 1 else answers[0]  # type: ignore[no-any-return]


def nodes(gpus: str | None) -> dict[str, list[dict[str, Any] | None]]:
    allocatable = {"cpu": "2"} | ({"nvidia.com/gpu": gpus} if gpus is not None else {})
    return {"nodes": [{"items": [{"status": {"allocatable": allocatable}}]}]}


@pytest.mark.parametrize(("gpus", "on_gpu"), [(None, False), ("0", False), ("1", True)])
def test_the_gpu_is_used_where_a_node_has_one(gpus: str | None, on_gpu: bool) -> None:
    """With a GPU the example keeps its defaults: accelerator GPU, NF4."""
    kube = FakeKubectl(nodes(gpus))
    assert job.apply(kube, job.read_job(EXAMPLE)) is on_gpu
    applied = json.loads(kube.asked[0][1])  # type: ignore[attr-defined]
    spec = PreferenceTrainingJobSpec.parse(applied["spec"])
    assert spec.model.quantization == ("NF4" if on_gpu else "None")
    assert (spec.compute is None) is on_gpu


def test_pods_of_an_earlier_demo_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod that is still ending could publish into the new demo's place."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    kube = FakeKubectl({"crd": [{}], "pods": [{"items": [{}]}, {"items": [{}]}, {"items": []}]})
    job.remove(kube, "demo")
    assert kube.asked[0][0][:3] == ("delete", "ptj", "demo")  # type: ignore[attr-defined]
    assert kube.answers["pods"] == [{"items": []}]  # type: ignore[attr-defined]


def test_a_pod_that_does_not_end_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """After three minutes the demo gives up with a sentence."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setattr(job, "GONE_SECONDS", -1.0)
    with pytest.raises(ClusterError, match="does not end"):
        job.remove(FakeKubectl({"crd": [{}], "pods": [{"items": [{}]}]}), "demo")


def test_a_new_cluster_has_nothing_to_remove() -> None:
    """Before the chart is installed the kind does not exist, which is no error."""
    kube = FakeKubectl({"crd": [None]})
    job.remove(kube, "demo")
    assert kube.asked == []  # type: ignore[attr-defined]
