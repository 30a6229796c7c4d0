"""Suspending and resuming by the user."""

from __future__ import annotations

import pytest

from support.operator_world import World
from support.training_jobs import TRAIN, TRAINED, condition_of, make_spec

pytestmark = pytest.mark.integration

SKIP = {"uri": "s3://data/pairs", "audit": {"policy": "Skip"}}


@pytest.mark.case(7)
def test_suspended_and_resumed_without_counting(world: World) -> None:
    """The pod saves and ends, its Job goes, and the next attempt goes on; maxRetries 0."""
    world.jobs.create("run", make_spec(dataset=SKIP, maxRetries=0))
    pod = world.kubelet.run(world.kubelet.pending("train"))
    world.jobs.wait("run", "Running", reason="Training")
    world.jobs.patch("run", {"suspend": True})
    world.kubelet.wait(
        pod, lambda found: "deletionTimestamp" in found["metadata"], "the pod is asked to end"
    )
    status = world.jobs.wait("run", "Suspended", "False", "Suspending")
    assert condition_of(status, "Running")["status"] == "False"
    world.kubelet.end(pod, 75, {"stage": "Train", "step": 4, "gpuSeconds": 3.5})
    world.kubelet.remove(pod)
    status = world.jobs.wait("run", "Suspended")
    # Pod and Job went at once, but the watch told how the pod had ended.
    entry = status["attempts"][0]
    assert (entry["reason"], entry["exitCode"], entry["endStep"]) == ("Preempted", 75, 4)
    assert status["gpuSeconds"] == 3.5
    assert status.get("retries", 0) == 0
    assert world.jobs.jobs() == []
    world.jobs.patch("run", {"suspend": False})
    pod = world.kubelet.run(world.kubelet.pending("train", job="run-r1-2"))
    status = world.jobs.wait("run", "Running", reason="Training")
    assert condition_of(status, "Suspended")["status"] == "False"
    world.kubelet.end(pod, 0, TRAINED)
    status = world.jobs.wait("run", "Succeeded")
    assert [entry["number"] for entry in status["attempts"]] == [1, 2]


def test_created_suspended_it_waits_unfrozen(world: World) -> None:
    """Nothing is started and the spec may still be edited."""
    world.jobs.create("run", make_spec(suspend=True))
    status = world.jobs.wait("run", "Suspended")
    assert "startTime" not in status
    world.jobs.patch("run", {"maxRetries": 1})
    world.jobs.patch("run", {"suspend": False})
    world.kubelet.pending("prepare")


def test_suspended_while_preparing(world: World) -> None:
    """The prepare Job is taken back and made again on resumption."""
    world.jobs.create("run")
    pod = world.kubelet.run(world.kubelet.pending("prepare"))
    world.jobs.patch("run", {"suspend": True})
    world.kubelet.wait(
        pod, lambda found: "deletionTimestamp" in found["metadata"], "the pod is asked to end"
    )
    world.kubelet.remove(pod)
    world.jobs.wait("run", "Suspended")
    world.jobs.patch("run", {"suspend": False})
    pod = world.kubelet.run(world.kubelet.pending("prepare"))
    world.jobs.wait("run", "Suspended", "False")
    world.kubelet.end(pod, 0, TRAIN)
    world.kubelet.pending("train")
