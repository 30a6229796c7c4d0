"""The operator is killed, and nothing is lost or doubled."""

from __future__ import annotations

import time

import pytest

from support.operator_world import World
from support.training_jobs import TRAIN, TRAINED

pytestmark = pytest.mark.integration

PROMPT_SECONDS = 5.0
"""It takes a tenth of that; for a task that was left kopf would wait so long before it ends."""


@pytest.mark.fault(1, 31)
@pytest.mark.case(3)
def test_killed_while_training_and_down_while_the_pod_finishes(idle_world: World) -> None:
    """After its restart: same Job, same pod, Succeeded, exactly one terminal Event."""
    world = idle_world
    world.operator.start()
    world.jobs.create("run")
    world.kubelet.end(world.kubelet.run(world.kubelet.pending("prepare")), 0, TRAIN)
    pod = world.kubelet.run(world.kubelet.pending("train"))
    before = world.jobs.wait("run", "Running", reason="Training")
    world.operator.kill()
    world.kubelet.end(pod, 0, TRAINED)
    world.operator.start()
    after = world.jobs.wait("run", "Succeeded")
    assert after["attempts"][0]["jobUid"] == before["attempts"][0]["jobUid"]
    assert [entry["podUid"] for entry in after["attempts"]] == [pod["metadata"]["uid"]]
    assert [found["metadata"]["uid"] for found in world.kubelet.pods("train")] == [
        pod["metadata"]["uid"]
    ]
    terminal = [event for event in world.jobs.events("run") if event["reason"] == "Succeeded"]
    assert len(terminal) == 1
    assert terminal[0]["count"] == 1


def test_down_from_apply_to_start(idle_world: World) -> None:
    """Jobs applied while no operator runs are found at its start."""
    idle_world.jobs.create("run")
    idle_world.operator.start()
    idle_world.kubelet.pending("prepare")


@pytest.mark.fault(31)
def test_stopped_by_sigterm_it_ends_well(idle_world: World) -> None:
    """A rolling update ends the process with status 0 and at once, in the midst of work too."""
    idle_world.operator.start()
    idle_world.jobs.create("run")
    idle_world.kubelet.run(idle_world.kubelet.pending("prepare"))
    asked = time.monotonic()
    assert idle_world.operator.stop() == 0
    assert time.monotonic() - asked < PROMPT_SECONDS
