"""One look at a job after the other: what is asked of the API server, and when again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from preftrain_operator.kube.errors import Denied
from preftrain_operator.kube.port import Json, Kind, Page
from preftrain_operator.runtime.controller import UNTOLD_SECONDS, Controller
from preftrain_operator.runtime.leadership import Alone
from preftrain_operator.runtime.meter import NoMeter
from preftrain_operator.runtime.queue import WorkQueue
from preftrain_operator.runtime.refusals import Refusals
from preftrain_operator.runtime.resync import Resync
from preftrain_operator.runtime.store import Store
from support.fake_api import FakeApi
from support.situations import INSTALLATION, NOW, UID, make_job, make_pod, running
from support.training_jobs import TRAINED

QUOTA = "jobs.batch is forbidden: exceeded quota: none"


class FullApi(FakeApi):
    """An API server with a quota.

    Attributes:
        is_full: whether no Job may be created.
        tried: how many times one was.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_full = True
        self.tried = 0

    async def create(self, kind: Kind, namespace: str, body: Json) -> Json:
        """See `KubePort`."""
        if kind is Kind.JOBS:
            self.tried += 1
            if self.is_full:
                raise Denied(QUOTA, 403)
        return await super().create(kind, namespace, body)


class World:
    """A controller, its API server, and a clock for its patience."""

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.seconds = 0.0
        self.store = Store()
        self.controller = Controller(
            api,
            self.store,
            WorkQueue(),
            INSTALLATION,
            NoMeter(),
            Alone(),
            clock=lambda: NOW,
            refusals=Refusals(lambda: self.seconds),
        )

    async def look(self) -> float | None:
        """What an event brings about, once everything is told."""
        await Resync(self.api, self.store, WorkQueue(), NoMeter()).sync()
        return await self.controller.reconcile(UID)

    def reason(self) -> str:
        """Of the condition Ready."""
        (job,) = self.api.items(Kind.TRAINING_JOBS)
        found = {item["type"]: item["reason"] for item in job["status"]["conditions"]}
        return str(found["Ready"])

    def edit(self, **members: Any) -> None:
        """Change the spec."""
        (job,) = self.api.items(Kind.TRAINING_JOBS)
        job["metadata"]["generation"] += 1
        job["spec"] |= members
        self.api.put(Kind.TRAINING_JOBS, job)


@pytest.mark.fault(24)
async def test_a_job_that_a_quota_refused_is_tried_every_thirty_seconds() -> None:
    """However many events come meanwhile, of which each is a reason to look."""
    api = FullApi()
    api.put(Kind.TRAINING_JOBS, make_job())
    world = World(api)
    assert await world.look() == 30
    for second in range(1, 30):
        world.seconds = second
        assert await world.look() == 30 - second
        assert world.reason() == "QuotaExceeded"
    assert api.tried == 1
    world.seconds = 30
    api.is_full = False
    await world.look()
    assert api.tried == 2
    await world.look()
    assert world.reason() == "Preparing"


@pytest.mark.fault(24)
async def test_an_edit_is_tried_at_once() -> None:
    """It may be what the quota asks for."""
    api = FullApi()
    api.put(Kind.TRAINING_JOBS, make_job())
    world = World(api)
    await world.look()
    world.edit(ttlSecondsAfterFinished=5)
    await world.look()
    assert api.tried == 2


@pytest.mark.fault(36)
@pytest.mark.parametrize("label", ["app.kubernetes.io/managed-by", "preftrain.dev/job-uid"])
async def test_a_run_without_labels_is_looked_at_by_name(label: str) -> None:
    """Neither watch nor list tells of its Job and its pod any more: both are asked for."""
    api = FakeApi()
    job, child, pod = running()
    for item in (child, pod):
        del item["metadata"]["labels"][label]
    for kind, item in ((Kind.TRAINING_JOBS, job), (Kind.JOBS, child), (Kind.PODS, pod)):
        api.put(kind, item)
    world = World(api)
    assert await world.look() == UNTOLD_SECONDS
    assert world.reason() == "Training"
    assert api.writes == []
    ended = make_pod(child, exit_code=0, message=json.dumps(TRAINED))
    api.put(Kind.PODS, {**pod, "status": ended["status"]})
    done = {"conditions": [{"type": "Complete", "status": "True"}]}
    api.put(Kind.JOBS, {**child, "status": done})
    await world.controller.reconcile(UID)
    assert world.reason() == "Succeeded"
    assert await world.controller.reconcile(UID) is None


@pytest.mark.fault(36)
async def test_a_job_that_was_deleted_unseen_is_noticed() -> None:
    """Its deletion is told by nobody either."""
    api = FakeApi()
    job, child, pod = running()
    child["metadata"]["labels"] = {}
    for kind, item in ((Kind.TRAINING_JOBS, job), (Kind.JOBS, child), (Kind.PODS, pod)):
        api.put(kind, item)
    world = World(api)
    await world.look()
    api.take(Kind.PODS, "team", pod["metadata"]["name"])
    api.take(Kind.JOBS, "team", child["metadata"]["name"])
    await world.controller.reconcile(UID)
    assert world.store.untold(UID) == []
    assert world.reason() == "JobDeleted"


class CountingLate(FakeApi):
    """An API server whose list of Jobs is from a moment before the pod was counted and went."""

    async def pages(
        self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Page]:
        """See `KubePort`."""
        async for page in super().pages(kind, namespace, labels=labels, fields=fields):
            if kind is Kind.JOBS:
                page = Page(tuple(uncounted(item) for item in page.items), page.resource_version)
            yield page


def uncounted(child: Json) -> Json:
    """The Job before its controller had counted the pod."""
    metadata = {**child["metadata"], "resourceVersion": "1"}
    return {**child, "metadata": metadata, "status": {"active": 1}}


@pytest.mark.fault(3)
async def test_the_count_that_is_held_against_a_missing_pod_is_newer_than_its_absence() -> None:
    """A list of Jobs may be older than the list of pods that lacks it."""
    api = CountingLate()
    job, child, _ = running()
    child["status"] |= {"failed": 1}
    for kind, item in ((Kind.TRAINING_JOBS, job), (Kind.JOBS, child)):
        api.put(kind, item)
    await World(api).look()
    (job,) = api.items(Kind.TRAINING_JOBS)
    assert job["status"]["attempts"][0]["reason"] == "EndUnseen"
    assert job["status"]["retries"] == 1
