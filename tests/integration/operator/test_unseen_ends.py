"""Pods that end and are taken away before an operator looks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.control_plane import ApiServer
from support.kubelet import Json
from support.lives import SKIP, Life, living
from support.training_jobs import TRAINED, make_spec
from support.waiting import eventually

pytestmark = pytest.mark.integration


Entry = tuple[str | None, int | None, bool | None]
AT_WORK: Entry = (None, None, None)


@pytest.fixture
def life(crd_installed: ApiServer, namespace: str, tmp_path: Path) -> Iterator[Life]:
    """A life with an operator that no kubelet starts again."""
    with living(crd_installed, namespace, tmp_path) as found:
        found.restarts = False
        found.operator.start()
        yield found


def train(life: Life, **members: object) -> Json:
    """A job whose training pod is at work; the pod."""
    life.jobs.create("run", make_spec(dataset=SKIP, **members))
    pod = life.kubelet.run(life.kubelet.pending("train"))
    life.jobs.wait("run", "Running", reason="Training")
    return pod


def end_and_take_away(life: Life, pod: Json, exit_code: int, message: str | Json = "") -> None:
    """The pod ends, the Job controller counts it, and somebody removes it at once."""
    life.kubelet.end(pod, exit_code, message)
    life.kubelet.remove(pod)
    uid = pod["metadata"]["uid"]
    eventually(
        lambda: uid not in {found["metadata"]["uid"] for found in life.kubelet.pods("train")},
        "the pod is gone",
    )


def wait_for_entries(life: Life, wanted: list[Entry]) -> Json:
    """Wait until the attempts are as wanted; the status then."""
    eventually(lambda: entries(life.jobs.status("run")) == wanted, f"attempts are {wanted}", 45)
    return life.jobs.status("run")


def entries(status: Json) -> list[Entry]:
    """Reason, exit code and whether it counts, of each attempt."""
    return [
        (entry.get("reason"), entry.get("exitCode"), entry.get("counted"))
        for entry in status["attempts"]
    ]


@pytest.mark.fault(3, 36)
def test_seen_by_its_deletion_only(life: Life) -> None:
    """Its end and its removal are one piece of news: the last state has code, step and GPU time."""
    pod = train(life, maxRetries=1)
    said = {"stage": "Train", "message": "no luck", "step": 5, "gpuSeconds": 2.5}
    end_and_take_away(life, pod, 70, said)
    life.kubelet.run(life.kubelet.pending("train"))
    status = wait_for_entries(life, [("InternalError", 70, True), AT_WORK])
    assert status["attempts"][0]["endStep"] == 5
    assert status["gpuSeconds"] == 2.5
    assert status["retries"] == 1


@pytest.mark.fault(3, 36)
def test_failed_while_no_operator_runs(life: Life) -> None:
    """The Job controller has counted it: so do we, and say that the exit code is not known."""
    pod = train(life, maxRetries=1)
    life.operator.kill()
    end_and_take_away(life, pod, 70)
    second = life.kubelet.pending("train")
    life.operator.start()
    life.kubelet.run(second)
    status = wait_for_entries(life, [("EndUnseen", None, True), AT_WORK])
    assert status["retries"] == 1
    life.kubelet.end(second, 0, TRAINED)
    assert entries(life.jobs.wait("run", "Succeeded"))[1] == ("Completed", 0, False)


@pytest.mark.fault(3, 7)
def test_interrupted_while_no_operator_runs(life: Life) -> None:
    """The Job controller has not counted it, so exit code 75 costs no retry."""
    pod = train(life, maxRetries=0)
    life.operator.kill()
    end_and_take_away(life, pod, 75)
    second = life.kubelet.pending("train")
    life.operator.start()
    life.kubelet.run(second)
    status = wait_for_entries(life, [("Preempted", None, False), AT_WORK])
    assert status.get("retries", 0) == 0


@pytest.mark.fault(3, 11)
def test_ended_for_good_while_no_operator_runs(life: Life) -> None:
    """The Job's condition holds the exit code: it is the verdict."""
    pod = train(life)
    life.operator.kill()
    end_and_take_away(life, pod, 65)
    life.operator.start()
    status = life.jobs.wait("run", "Failed", reason="DataRefused")
    assert entries(status) == [("DataRefused", 65, True)]


@pytest.mark.fault(3, 36)
def test_two_of_which_nobody_saw_the_second_at_any_time(life: Life) -> None:
    """Both failed while no operator ran; each is an attempt, and the run has used them up."""
    pod = train(life, maxRetries=1)
    life.operator.kill()
    end_and_take_away(life, pod, 70)
    second = life.kubelet.run(life.kubelet.pending("train", timeout_seconds=60))
    end_and_take_away(life, second, 70)
    life.operator.start()
    status = life.jobs.wait("run", "Failed", reason="BackoffLimitExceeded")
    assert entries(status) == [("EndUnseen", None, True)] * 2
    assert status["retries"] == 2


def test_a_pod_without_its_labels_is_not_taken_for_gone(life: Life) -> None:
    """No list and no watch tells of it any more, but it is looked up by its name."""
    pod = train(life, maxRetries=0)
    path = f"/api/v1/namespaces/{life.namespace}/pods/{pod['metadata']['name']}"
    labels = {"app.kubernetes.io/managed-by": None}
    life.server.api().call("PATCH", path, {"metadata": {"labels": labels}})
    life.settle()
    assert entries(life.jobs.status("run")) == [AT_WORK]
    life.kubelet.end(pod, 0, TRAINED)
    assert entries(life.jobs.wait("run", "Succeeded")) == [("Completed", 0, False)]
