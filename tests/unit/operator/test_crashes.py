"""The operator dies before or after each of its writes, and another takes over."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from preftrain_operator.kube.errors import Conflict, Transient
from preftrain_operator.kube.port import Kind
from preftrain_operator.runtime.controller import Controller
from preftrain_operator.runtime.leadership import Alone
from preftrain_operator.runtime.meter import NoMeter
from preftrain_operator.runtime.queue import WorkQueue
from preftrain_operator.runtime.resync import Resync
from preftrain_operator.runtime.store import Store
from support.fake_api import FakeApi, Killed
from support.situations import INSTALLATION, NOW, UID, make_job
from support.training_jobs import TRAIN, TRAINED

WRITES_OF_A_LIFE = 10
"""Four status writes, two Jobs, four Events."""


class Cluster:
    """The fake API server with somebody who plays Job controller and kubelet."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.api.put(Kind.TRAINING_JOBS, make_job())
        self.kills = 0

    async def settle(self) -> None:
        """Let the operator work until it has nothing to do; killed ones are replaced."""
        while True:
            try:
                await self._one_process()
            except Killed:
                self.kills += 1
            else:
                return

    async def _one_process(self) -> None:
        store = Store()
        controller = Controller(
            self.api, store, WorkQueue(), INSTALLATION, NoMeter(), Alone(), clock=lambda: NOW
        )
        resync = Resync(self.api, store, WorkQueue(), NoMeter())
        await resync.sync()
        for _ in range(12):
            before = len(self.api.writes)
            await controller.reconcile(UID)
            if len(self.api.writes) == before:
                return
        raise AssertionError("the operator does not come to rest")

    def pod_ends(self, job: str, said: dict[str, Any], *, running: bool = False) -> None:
        """The Job's pod runs or ends well, and the Job is complete."""
        owner = next(item for item in self.api.items(Kind.JOBS) if item["metadata"]["name"] == job)
        times = {"startedAt": "2026-11-23T12:00:00Z", "finishedAt": "2026-11-23T12:00:09Z"}
        ended = {"terminated": {"exitCode": 0, "message": json.dumps(said), **times}}
        state = {"running": {"startedAt": "2026-11-23T12:00:00Z"}} if running else ended
        pod = {
            "metadata": {
                "name": f"{job}-pod",
                "namespace": "team",
                "uid": f"{job}-pod",
                "creationTimestamp": "2026-11-23T12:00:00Z",
                "labels": owner["metadata"]["labels"],
                "ownerReferences": [{"uid": owner["metadata"]["uid"], "controller": True}],
            },
            "status": {
                "phase": "Running" if running else "Succeeded",
                "containerStatuses": [{"name": "trainer", "state": state}],
            },
        }
        self.api.put(Kind.PODS, pod)
        if not running:
            owner["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
            self.api.put(Kind.JOBS, owner)

    async def live(self) -> None:
        """From apply to the end."""
        await self.settle()
        self.pod_ends("run-r1-prepare", TRAIN)
        await self.settle()
        self.pod_ends("run-r1-1", {}, running=True)
        await self.settle()
        self.pod_ends("run-r1-1", TRAINED)
        await self.settle()

    def outcome(self) -> dict[str, Any]:
        """All that is left, without what may differ between equal runs."""
        (job,) = self.api.items(Kind.TRAINING_JOBS)
        return {
            "status": without_uids(job["status"]),
            "jobs": sorted(item["metadata"]["name"] for item in self.api.items(Kind.JOBS)),
            "events": sorted(item["metadata"]["name"] for item in self.api.items(Kind.EVENTS)),
        }


def without_uids(value: Any) -> Any:
    """`value` without the UIDs that the fake API server made up."""
    if isinstance(value, dict):
        return {
            key: without_uids(item) for key, item in value.items() if key not in ("uid", "jobUid")
        }
    return [without_uids(item) for item in value] if isinstance(value, list) else value


def kill_at(number: int, kills: list[int]) -> Callable[[int], None]:
    """Raise once, at a certain write."""

    def hook(write: int) -> None:
        if write == number and not kills:
            kills.append(write)
            raise Killed

    return hook


async def undisturbed() -> Cluster:
    """A life without faults."""
    cluster = Cluster()
    await cluster.live()
    return cluster


async def test_an_undisturbed_life_costs_six_writes_and_four_events() -> None:
    """Status four times, two Jobs; Events aside."""
    cluster = await undisturbed()
    assert [(verb, kind.plural) for verb, kind, _ in cluster.api.writes] == [
        ("create", "events"),
        ("patch_status", "preferencetrainingjobs"),
        ("create", "jobs"),
        ("create", "events"),
        ("patch_status", "preferencetrainingjobs"),
        ("create", "jobs"),
        ("create", "events"),
        ("patch_status", "preferencetrainingjobs"),
        ("create", "events"),
        ("patch_status", "preferencetrainingjobs"),
    ]


@pytest.mark.fault(1)
@pytest.mark.case(1, 3)
@pytest.mark.parametrize("when", ["before_write", "after_write"])
@pytest.mark.parametrize("number", range(1, WRITES_OF_A_LIFE + 1))
async def test_killed_at_any_write_the_outcome_is_the_same(number: int, when: str) -> None:
    """For every k: same status, same Jobs, same Events as undisturbed."""
    expected = (await undisturbed()).outcome()
    cluster = Cluster()
    setattr(cluster.api, when, kill_at(number, []))
    await cluster.live()
    assert cluster.kills == 1
    assert cluster.outcome() == expected


@pytest.mark.case(16)
@pytest.mark.parametrize("number", range(1, WRITES_OF_A_LIFE + 1))
async def test_an_edit_at_any_write_is_noticed(number: int) -> None:
    """Another writer gets in between: the next look sees it, nothing is doubled."""
    cluster = Cluster()
    expected = (await undisturbed()).outcome()
    edits: list[int] = []

    def edit(write: int) -> None:
        if write == number and not edits:
            edits.append(write)
            (job,) = cluster.api.items(Kind.TRAINING_JOBS)
            job["metadata"]["labels"] = {"touched": "yes"}
            cluster.api.put(Kind.TRAINING_JOBS, job)

    cluster.api.before_write = edit

    async def settle() -> None:
        for _ in range(3):
            try:
                await Cluster.settle(cluster)
                return
            except Conflict:
                continue

    cluster.settle = settle  # type: ignore[method-assign]
    await cluster.live()
    assert cluster.outcome() == expected


@pytest.mark.fault(2)
async def test_a_request_that_fails_is_made_again() -> None:
    """An answer that gets lost is no different from a write that was not made."""
    cluster = Cluster()
    lost: list[int] = []

    def lose(write: int) -> None:
        if write not in lost and len(lost) < WRITES_OF_A_LIFE:
            lost.append(write)
            raise Transient("connection reset")

    cluster.api.after_write = lose

    async def settle() -> None:
        for _ in range(20):
            try:
                await Cluster.settle(cluster)
                return
            except (Transient, Conflict):
                continue

    cluster.settle = settle  # type: ignore[method-assign]
    await cluster.live()
    assert cluster.outcome() == (await undisturbed()).outcome()
