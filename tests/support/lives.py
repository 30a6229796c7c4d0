"""Whole lives of a job, played with a real API server and Job controller while its operator
is hindered; and what is left of them, to compare.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from cluster.audit_log import Request
from support.api_fault_proxy import FaultProxy
from support.control_plane import ApiServer
from support.kubelet import Kubelet
from support.operator_forkserver import ForkedOperator
from support.training_jobs import TRAIN, TRAINED, TrainingJobs, make_spec
from support.waiting import eventually

Json = dict[str, Any]
SKIP: Json = {"uri": "s3://data/pairs", "audit": {"policy": "Skip"}}
FAST_RESYNC = {"FIRST_RESYNC_SECONDS": "0.5", "RESYNC_SECONDS": "0.5"}
"""Full lists so often that a test need not wait for what they repair."""
_DIFFERS = frozenset({"jobUid", "uid", "pod", "podUid", "gpuSeconds"})
"""Members of a status that differ between equal lives, times aside."""
_UNEXPECTED = ("Traceback", "Unhandled", "never retrieved", "never awaited", "was not kept")


@dataclass
class Life:
    """One job in a namespace of its own, with an operator behind a proxy.

    Attributes:
        tolerated: what the log may tell of although other logs must not.
        restarts: whether the operator is started again whenever it was found dead.
        deaths: how many times that happened.
    """

    server: ApiServer
    namespace: str
    proxy: FaultProxy
    operator: ForkedOperator
    jobs: TrainingJobs
    kubelet: Kubelet
    tolerated: str = ""
    restarts: bool = True
    deaths: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def kill(self) -> None:
        """End the operator's process by SIGKILL; it is started again as by a kubelet."""
        self.operator.crash()

    def endure(self, seconds: float) -> None:
        """Let a fault last so long, and see the operator live meanwhile."""
        until = time.monotonic() + seconds
        eventually(
            lambda: self.operator.has_died() or time.monotonic() > until,
            "the fault has lasted",
            seconds + 30,
        )
        assert not self.operator.has_died(), self.operator.log()

    def wait_for_death(self) -> None:
        """Wait until the operator has ended by itself, where nothing starts it again."""
        eventually(self.operator.has_died, "the operator has died", 60)
        self.operator.kill()

    def revision(self) -> str:
        """The present revision of the whole store."""
        found = self.server.api().get(f"/api/v1/namespaces/{self.namespace}/events")
        return str(found["metadata"]["resourceVersion"])

    def created_jobs(self) -> list[str]:
        """Names of the Jobs that were ever made, once for each that was."""
        return [item.name for item in self._made() if item.resource == "jobs"]

    def created_pods(self) -> int:
        """How many pods were ever made."""
        return sum(item.resource == "pods" for item in self._made())

    def _made(self) -> list[Request]:
        requests = self.server.requests("", self.namespace)
        return [item for item in requests if item.verb == "create" and item.status == 201]

    def settle(self) -> None:
        """Wait until the operator has seen everything as it is and has nothing more to write."""
        eventually(self._is_quiet, "the operator has come to rest", 60)

    def _is_quiet(self) -> bool:
        lists, writes = self.proxy.lists("jobs"), len(self.proxy.arrived)
        eventually(lambda: self.proxy.lists("jobs") >= lists + 2, "two more full lists", 60)
        return len(self.proxy.arrived) == writes

    def watch_over(self) -> None:
        """What a kubelet does: start the operator again whenever it has ended."""
        while not self._over.wait(0.1):
            if self.restarts and self.operator.has_died():
                self.deaths += 1
                self.operator.launch()

    def end(self) -> None:
        """End operator and proxy.

        Raises:
            AssertionError: the operator's log tells of an exception that nobody expected.
        """
        self._over.set()
        self.operator.kill()
        self.proxy.stop()
        assert_clean(self.operator.log(), self.tolerated)


Script: TypeAlias = Callable[[Life], None]


def assert_clean(log: str, tolerated: str = "") -> None:
    """Whatever happens, the operator tells it in sentences of its own."""
    found = [word for word in _UNEXPECTED if word in log and word != tolerated]
    assert not found, log


@contextmanager
def living(
    server: ApiServer, namespace: str, folder: Path, settings: dict[str, str] | None = None
) -> Iterator[Life]:
    """A life that has not begun: proxy and operator are there and wait for orders."""
    folder.mkdir(parents=True, exist_ok=True)
    proxy = FaultProxy(server.kubeconfig, folder)
    operator = ForkedOperator(
        proxy.kubeconfig, namespace, folder / "operator.log", {**FAST_RESYNC, **(settings or {})}
    )
    api = server.api()
    life = Life(
        server, namespace, proxy, operator, TrainingJobs(api, namespace), Kubelet(api, namespace)
    )
    proxy.start()
    guard = threading.Thread(target=life.watch_over)
    guard.start()
    try:
        yield life
    finally:
        life._over.set()
        guard.join()
        life.end()


def plain(life: Life) -> None:
    """Prepare, training, success."""
    life.jobs.create("run")
    life.kubelet.end(life.kubelet.run(life.kubelet.pending("prepare")), 0, TRAIN)
    pod = life.kubelet.run(life.kubelet.pending("train"))
    life.jobs.wait("run", "Running", reason="Training")
    life.kubelet.end(pod, 0, TRAINED)
    life.jobs.wait("run", "Succeeded")


def with_retry(life: Life) -> None:
    """The first pod fails for a reason that may pass, the second one succeeds."""
    life.jobs.create("run", make_spec(dataset=SKIP, maxRetries=1))
    pod = life.kubelet.run(life.kubelet.pending("train"))
    life.jobs.wait("run", "Running", reason="Training")
    life.kubelet.end(pod, 70, "out of luck")
    life.jobs.wait("run", "Running", "False", "Retrying")
    pod = life.kubelet.run(life.kubelet.pending("train"))
    life.jobs.wait("run", "Running", reason="Training")
    life.kubelet.end(pod, 0, TRAINED)
    life.jobs.wait("run", "Succeeded")


def with_lost_job(life: Life) -> None:
    """Somebody deletes the first Job, which counts as a failed attempt; the second succeeds."""
    life.jobs.create("run", make_spec(dataset=SKIP, maxRetries=1))
    pod = life.kubelet.run(life.kubelet.pending("train"))
    life.jobs.wait("run", "Running", reason="Training")
    life.jobs.delete_child("run-r1-1")
    life.kubelet.remove(pod)
    pod = life.kubelet.run(life.kubelet.pending("train", job="run-r1-2"))
    life.jobs.wait("run", "Running", reason="Training")
    life.kubelet.end(pod, 0, TRAINED)
    life.jobs.wait("run", "Succeeded")


def with_suspension(life: Life) -> None:
    """Suspended while it trains, resumed, success."""
    life.jobs.create("run", make_spec(dataset=SKIP, maxRetries=0))
    pod = life.kubelet.run(life.kubelet.pending("train"))
    life.jobs.wait("run", "Running", reason="Training")
    life.jobs.patch("run", {"suspend": True})
    life.kubelet.wait(pod, is_asked_to_end, "the pod is asked to end")
    # So that the number of writes is known: an end that is seen late needs no write of its own.
    life.settle()
    life.kubelet.end(pod, 75, {"stage": "Train", "step": 4})
    eventually(
        lambda: "endTime" in life.jobs.status("run")["attempts"][0], "the pod's end is recorded"
    )
    life.kubelet.remove(pod)
    life.jobs.wait("run", "Suspended")
    life.settle()
    life.jobs.patch("run", {"suspend": False})
    pod = life.kubelet.run(life.kubelet.pending("train", job="run-r1-2"))
    life.jobs.wait("run", "Running", reason="Training")
    life.kubelet.end(pod, 0, TRAINED)
    life.jobs.wait("run", "Succeeded")


def with_sudden_suspension(life: Life) -> None:
    """As above, but the pod ends and is gone at once, whether or not an operator looks."""
    life.jobs.create("run", make_spec(dataset=SKIP, maxRetries=0))
    pod = life.kubelet.run(life.kubelet.pending("train"))
    life.jobs.wait("run", "Running", reason="Training")
    life.jobs.patch("run", {"suspend": True})
    life.kubelet.wait(pod, is_asked_to_end, "the pod is asked to end")
    life.kubelet.end(pod, 75, {"stage": "Train", "step": 4})
    life.kubelet.remove(pod)
    life.jobs.wait("run", "Suspended")
    life.jobs.patch("run", {"suspend": False})
    pod = life.kubelet.run(life.kubelet.pending("train", job="run-r1-2"))
    life.jobs.wait("run", "Running", reason="Training")
    life.kubelet.end(pod, 0, TRAINED)
    life.jobs.wait("run", "Succeeded")


def with_clean_up(life: Life) -> None:
    """Success, and the Jobs are deleted when their time is up."""
    life.jobs.create("run", make_spec(ttlSecondsAfterFinished=1))
    life.kubelet.end(life.kubelet.run(life.kubelet.pending("prepare")), 0, TRAIN)
    pod = life.kubelet.run(life.kubelet.pending("train"))
    life.jobs.wait("run", "Running", reason="Training")
    life.kubelet.end(pod, 0, TRAINED)
    life.jobs.wait("run", "Succeeded")
    life.jobs.wait_for_jobs(lambda jobs: not jobs, "the Jobs are gone")


def is_asked_to_end(pod: Json) -> bool:
    """Whether a pod is being deleted."""
    return "deletionTimestamp" in pod["metadata"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a life leaves behind, without times and names that differ between equal lives.

    Attributes:
        status: of the job.
        jobs: names of the child Jobs that are there.
        created: how many Jobs of each name were ever made: each is a UID of its own.
        events: reason, type and count of each Event.
        pods: how many pods were ever made.
    """

    status: Json
    jobs: list[str]
    created: Counter[str]
    events: list[tuple[str, str, int]]
    pods: int


def outcome_of(life: Life, name: str = "run") -> Outcome:
    """What is left of `name`; history from the audit log."""
    return Outcome(
        status=comparable(life.jobs.status(name)),
        jobs=sorted(job["metadata"]["name"] for job in life.jobs.jobs()),
        created=Counter(life.created_jobs()),
        events=sorted(
            (event["reason"], event["type"], event["count"]) for event in life.jobs.events(name)
        ),
        pods=life.created_pods(),
    )


def comparable(value: Any) -> Any:
    """`value` without what differs between equal lives."""
    if isinstance(value, dict):
        return {
            key: comparable(item)
            for key, item in value.items()
            if key not in _DIFFERS and not key.endswith("Time")
        }
    return [comparable(item) for item in value] if isinstance(value, list) else value
