"""The operator's caches show the past: nothing is created twice, nor for what is gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api_fault_proxy import Exchange, Rule, after_commit, answer, before_commit, hold, stale
from support.control_plane import ApiServer
from support.lives import SKIP, Life, is_asked_to_end, living
from support.training_jobs import TRAIN, TRAINED, make_spec
from support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.slow]

JOB_OF_SKIPPED = 3
"""The write that creates the training Job where prepare is skipped: after Event and status."""


@pytest.fixture
def life(crd_installed: ApiServer, namespace: str, tmp_path: Path) -> Iterator[Life]:
    """A life that has not begun."""
    with living(crd_installed, namespace, tmp_path) as found:
        yield found


def look_back(life: Life, revision: str, until: threading.Event) -> None:
    """From now on caches are filled as of `revision`, and watches tell nothing."""
    life.proxy.rules += [
        Rule(lambda exchange: exchange.is_watch, hold(until)),
        Rule(lambda exchange: exchange.is_cache_fill and not until.is_set(), stale(revision)),
    ]


def is_look_at_one(exchange: Exchange) -> bool:
    """A read of a single Job."""
    return exchange.resource == "jobs" and exchange.method == "GET" and bool(exchange.name)


@pytest.mark.fault(5)
@pytest.mark.case(13)
def test_a_job_that_the_caches_do_not_show_is_found(life: Life) -> None:
    """Restarted on lists that are older than its own writes, it adopts what it made."""
    before = life.revision()
    life.operator.start()
    life.jobs.create("run")
    pod = life.kubelet.pending("prepare")
    life.operator.kill()
    caught_up = threading.Event()
    look_back(life, before, caught_up)
    life.operator.start()
    life.kubelet.end(life.kubelet.run(pod), 0, TRAIN)
    caught_up.set()
    pod = life.kubelet.run(life.kubelet.pending("train"))
    life.jobs.wait("run", "Running", reason="Training")
    life.kubelet.end(pod, 0, TRAINED)
    life.jobs.wait("run", "Succeeded")
    assert life.created_jobs() == ["run-r1-prepare", "run-r1-1"]


@pytest.mark.fault(5)
@pytest.mark.case(1, 13)
def test_a_name_that_is_taken_is_looked_at_and_adopted(life: Life) -> None:
    """Where even a look shows nothing, creating it again is refused, and what is there is ours."""

    def die() -> None:
        life.kill()
        before = life.jobs.get("run")["metadata"]["resourceVersion"]
        life.proxy.schedule = lambda dice: []
        life.proxy.rules += [
            Rule(lambda exchange: exchange.resource == "jobs" and exchange.is_list, stale(before)),
            Rule(is_look_at_one, answer(404, "NotFound"), times=1),
        ]

    life.proxy.rules.append(after_commit(JOB_OF_SKIPPED, die))
    life.operator.start()
    life.jobs.create("run", make_spec(dataset=SKIP))
    eventually(
        lambda: ("POST", 409) in [(sent.method, code) for sent, code in life.proxy.arrived],
        "the Job is created again",
    )
    life.proxy.rules.clear()
    pod = life.kubelet.run(life.kubelet.pending("train"))
    life.jobs.wait("run", "Running", reason="Training")
    life.kubelet.end(pod, 0, TRAINED)
    life.jobs.wait("run", "Succeeded")
    assert life.created_jobs() == ["run-r1-1"]
    assert life.created_pods() == 1


@pytest.mark.fault(5, 22)
@pytest.mark.case(2, 14)
@pytest.mark.parametrize("number", [2, 3], ids=["before-the-status", "before-the-Job"])
def test_nothing_is_created_for_what_was_deleted(life: Life, number: int) -> None:
    """Killed half-way and restarted on caches that still show the job: it is gone, for good."""
    life.restarts = False
    life.proxy.rules.append(before_commit(number, life.kill))
    life.operator.start()
    life.jobs.create("run")
    life.wait_for_death()
    shown = life.revision()
    life.jobs.delete("run")
    eventually(lambda: life.jobs.is_gone("run"), "the job is gone")
    caught_up = threading.Event()
    look_back(life, shown, caught_up)
    life.operator.start()
    life.settle()
    caught_up.set()
    life.settle()
    assert life.created_jobs() == []


@pytest.mark.fault(3, 36)
@pytest.mark.case(9)
def test_a_pod_deleted_while_nothing_is_told_is_noticed(life: Life) -> None:
    """Full lists find what no event told: the pod is gone, the next one is at work."""
    life.operator.start()
    life.jobs.create("run", make_spec(dataset=SKIP, maxRetries=0))
    first = life.kubelet.run(life.kubelet.pending("train"))
    life.jobs.wait("run", "Running", reason="Training")
    life.proxy.schedule = lambda dice: []
    life.kubelet.remove(first)
    life.kubelet.end(first, 75)
    second = life.kubelet.run(life.kubelet.pending("train"))
    eventually(
        lambda: (
            [entry.get("podUid") for entry in life.jobs.status("run")["attempts"]]
            == [first["metadata"]["uid"], second["metadata"]["uid"]]
        ),
        "both pods are recorded",
    )
    status = life.jobs.status("run")
    assert status["attempts"][0]["counted"] is False
    life.kubelet.end(second, 0, TRAINED)
    life.jobs.wait("run", "Succeeded")


@pytest.mark.fault(10)
@pytest.mark.case(8)
def test_a_pods_life_seen_at_its_end_only(life: Life) -> None:
    """Pending, Running and Failed in one look: the reason is the container's."""
    life.operator.start()
    life.jobs.create("run", make_spec(dataset=SKIP, maxRetries=0))
    pod = life.kubelet.pending("train")
    life.restarts = False
    life.operator.kill()
    life.kubelet.end(life.kubelet.run(pod), 137, reason="OOMKilled")
    life.operator.start()
    status = life.jobs.wait("run", "Failed", reason="BackoffLimitExceeded")
    assert [entry["reason"] for entry in status["attempts"]] == ["OOMKilled"]
    assert status["retries"] == 1


@pytest.mark.case(10)
def test_created_and_deleted_while_no_operator_runs(life: Life) -> None:
    """Nothing is left, and nothing is made."""
    life.jobs.create("run")
    life.jobs.delete("run")
    eventually(lambda: life.jobs.is_gone("run"), "the job is gone")
    life.operator.start()
    life.settle()
    assert life.proxy.writes == []


@pytest.mark.case(11)
def test_deleted_and_made_anew_while_no_operator_runs(life: Life) -> None:
    """The new job has nothing of the old one: Jobs and pods of its own, found by UID."""
    life.operator.start()
    life.jobs.create("run", make_spec(dataset=SKIP))
    old = life.kubelet.run(life.kubelet.pending("train"))
    life.jobs.wait("run", "Running", reason="Training")
    life.operator.kill()
    life.jobs.delete("run")
    eventually(lambda: life.jobs.is_gone("run"), "the job is gone")
    new = life.jobs.create("run", make_spec(dataset=SKIP))
    life.operator.start()
    life.kubelet.wait(old, is_asked_to_end, "the old pod is asked to end")
    life.kubelet.remove(old)
    pod = life.kubelet.run(life.kubelet.pending("train", timeout_seconds=60))
    assert pod["metadata"]["labels"]["preftrain.dev/job-uid"] == new["metadata"]["uid"]
    status = life.jobs.wait("run", "Running", reason="Training")
    assert [entry["podUid"] for entry in status["attempts"]] == [pod["metadata"]["uid"]]


@pytest.mark.case(12)
def test_two_edits_before_the_start(life: Life) -> None:
    """The last one counts, and the status says that it was looked at."""
    life.jobs.create("run", make_spec(dataset=SKIP, maxRetries=1))
    life.jobs.patch("run", {"maxRetries": 2})
    life.jobs.patch("run", {"maxRetries": 3, "lora": {"rank": 8}})
    life.operator.start()
    pod = life.kubelet.pending("train")
    assert '"rank":8' in pod["metadata"]["annotations"]["preftrain.dev/run-spec"]
    assert life.jobs.status("run")["observedGeneration"] == 3
