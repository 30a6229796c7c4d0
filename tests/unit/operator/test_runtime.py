"""Store, queue, resync, progress: what happens between the watches and the decisions."""

import asyncio
import json
from typing import Any

import pytest

from preftrain_operator.core.milestones import Milestones
from preftrain_operator.core.observed import Refusal
from preftrain_operator.core.plan import EventNote, Plan
from preftrain_operator.kube.errors import Conflict, NotFound
from preftrain_operator.kube.port import Json, Kind
from preftrain_operator.runtime.executor import Executor, event_body, merge_patch
from preftrain_operator.runtime.leadership import Alone
from preftrain_operator.runtime.meter import NoMeter
from preftrain_operator.runtime.progress import ProgressPuller, targets_of
from preftrain_operator.runtime.queue import WorkQueue
from preftrain_operator.runtime.resync import Resync
from preftrain_operator.runtime.store import Store
from support.fake_api import FakeApi
from support.situations import NOW, UID, look, make_child, make_job, make_pod, plan_for, running


def version(item: dict[str, Any], number: int, **spec: Any) -> dict[str, Any]:
    """The object at another version."""
    metadata = {**item["metadata"], "resourceVersion": str(number)}
    return {**item, "metadata": metadata, "spec": {**item["spec"], **spec}}


@pytest.mark.fault(6)
def test_the_newest_version_wins_in_whatever_order_it_comes() -> None:
    """An answer to our own write is not undone by a watch event that is older."""
    changed: list[str] = []
    store = Store(changed.append)
    assert store.put(Kind.TRAINING_JOBS, version(make_job(), 7, maxRetries=7))
    assert not store.put(Kind.TRAINING_JOBS, version(make_job(), 6, maxRetries=6))
    assert not store.put(Kind.TRAINING_JOBS, version(make_job(), 7))
    observed = store.snapshot(UID)
    assert observed is not None
    assert observed.reading.spec is not None
    assert observed.reading.spec.max_retries == 7
    assert changed == [UID]


@pytest.mark.fault(6)
def test_what_was_deleted_does_not_come_back_by_a_late_event() -> None:
    """But it does when its label is given back, which makes a newer version."""
    store = Store()
    child = version(make_child(), 5)
    store.put(Kind.JOBS, child)
    assert store.remove(Kind.JOBS, version(child, 8))
    assert not store.put(Kind.JOBS, version(child, 7))
    assert store.put(Kind.JOBS, version(child, 9))


def test_a_list_drops_what_it_does_not_have_unless_that_is_newer() -> None:
    """A watch that was cut loses deletions; a list may be older than the last event."""
    store = Store()
    store.put(Kind.JOBS, version(make_child(uid="old"), 5))
    store.put(Kind.JOBS, version(make_child(uid="new"), 15))
    assert store.retain(Kind.JOBS, (), 10) == 1
    assert store.get(Kind.JOBS, "new") is not None
    assert store.get(Kind.JOBS, "old") is None


def test_objects_that_name_no_job_are_not_kept() -> None:
    """A Job without an owner, a pod without owner and label."""
    child, pod = make_child(), make_pod(make_child())
    for item in (child, pod):
        del item["metadata"]["ownerReferences"]
    del pod["metadata"]["labels"]
    store = Store()
    assert not store.put(Kind.JOBS, child)
    assert not store.put(Kind.PODS, pod)
    assert store.uids(Kind.JOBS) == store.uids(Kind.PODS) == ()


def test_large_parts_are_not_kept() -> None:
    """Pod templates and managed fields stay out of memory."""
    store = Store()
    child = make_child(template={"big": "x" * 1000})
    child["metadata"]["managedFields"] = [{"big": "x" * 1000}]
    store.put(Kind.JOBS, child)
    assert len(json.dumps(store.get(Kind.JOBS, child["metadata"]["uid"]))) < 1000


@pytest.mark.fault(38)
async def test_a_key_is_queued_once_and_worked_on_by_one() -> None:
    """What is added meanwhile comes up once more, afterwards."""
    queue = WorkQueue()
    queue.add("a")
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("a")
    assert queue.depth == 0
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert queue.depth == 0


async def test_a_delayed_key_comes_up_at_the_earliest_time() -> None:
    """A later delay does not postpone an earlier one, and `add` overtakes both."""
    queue = WorkQueue()
    queue.add_after("a", 60)
    queue.add_after("a", 0.01)
    queue.add_after("a", 30)
    assert await asyncio.wait_for(queue.get(), 2) == "a"
    queue.done("a", again_after=60)
    queue.add("a")
    assert await asyncio.wait_for(queue.get(), 2) == "a"


@pytest.mark.fault(26)
async def test_failing_keys_wait_longer_each_time() -> None:
    """Up to five minutes; success forgets it."""
    queue = WorkQueue()
    waits = []
    for _ in range(14):
        queue.add("a")
        await queue.get()
        waits.append(queue.failed("a"))
    assert waits[0] < 1
    assert waits[3] > waits[0]
    assert 225 <= waits[-1] <= 375
    queue.add("a")
    await queue.get()
    queue.done("a")
    queue.add("a")
    await queue.get()
    assert queue.failed("a") < 1
    queue.add("b")
    await queue.get()
    assert queue.failed("b", at_least=17) == 17


@pytest.mark.fault(3)
@pytest.mark.case(9)
async def test_a_full_list_repairs_the_store() -> None:
    """Lost and missed objects are counted; normally there are none."""
    api, store = FakeApi(), Store()
    job = api.put(Kind.TRAINING_JOBS, make_job())
    child = make_child()
    api.put(Kind.JOBS, child)
    resync = Resync(api, store, WorkQueue(), NoMeter(), namespaces=("team",))
    assert await resync.sync() == (2, 0, 0)
    assert await resync.sync() == (0, 0, 0)
    api.take(Kind.JOBS, "team", child["metadata"]["name"])
    api.put(Kind.TRAINING_JOBS, job)
    assert await resync.sync() == (0, 1, 1)
    assert resync.age_seconds is not None


class Pods:
    """`ProgressPort` with one answer."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def read(self, namespace: str, pod: str, address: str) -> bytes | None:
        """Give the answer."""
        self.asked.append(address)
        return self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()


def store_of_a_running_job() -> Store:
    """A store with one job whose pod is recorded and runs."""
    job, child, pod = running()
    store = Store()
    for kind, item in ((Kind.TRAINING_JOBS, job), (Kind.JOBS, child), (Kind.PODS, pod)):
        store.put(kind, item)
    return store


async def test_progress_of_recorded_pods_reaches_the_decision() -> None:
    """The pod is asked at its own address and its words are kept for the next look."""
    store = store_of_a_running_job()
    pods = Pods({"uid": "pod-1", "phase": "Training", "step": 1, "totalSteps": 10, "new": 1})
    await ProgressPuller(pods, store, NoMeter(), Alone(), 15).ask_all()
    assert pods.asked == ["10.0.0.1:8080"]
    observed = store.snapshot(UID)
    assert observed is not None
    assert observed.report is not None
    assert observed.report.progress.percent == 10


@pytest.mark.fault(39)
@pytest.mark.parametrize(
    "answer",
    [
        {"uid": "another-pod", "phase": "Training"},
        b"[" * 10_000,
        b"\xff",
        b"null",
        {"uid": "pod-1"},
        b'{"uid": "pod-1", "phase": "Training", "x": "' + b"y" * 17_000 + b'"}',
    ],
)
async def test_other_answers_are_passed_over(answer: Any) -> None:
    """A reused address, nonsense, too much of anything."""
    store = store_of_a_running_job()
    await ProgressPuller(Pods(answer), store, NoMeter(), Alone(), 15).ask_all()
    observed = store.snapshot(UID)
    assert observed is not None
    assert observed.report is None


async def test_small_steps_are_not_passed_on() -> None:
    """A status write needs a whole percent, or half a minute."""
    store = store_of_a_running_job()
    pods = Pods({"uid": "pod-1", "phase": "Training", "step": 100, "totalSteps": 1000})
    puller = ProgressPuller(pods, store, NoMeter(), Alone(), 15)
    await puller.ask_all()
    pods.answer = {**pods.answer, "step": 105}
    await puller.ask_all()
    observed = store.snapshot(UID)
    assert observed is not None
    assert observed.report is not None
    assert observed.report.progress.step == 100
    pods.answer = {**pods.answer, "step": 111}
    await puller.ask_all()
    observed = store.snapshot(UID)
    assert observed is not None
    assert observed.report is not None
    assert observed.report.progress.step == 111


def test_only_recorded_running_pods_are_asked() -> None:
    """Nothing is believed of a pod that the status does not name."""
    store = store_of_a_running_job()
    store.put(Kind.PODS, make_pod(make_child(), "pod-9", phase="Running"))
    assert [target.pod_uid for target in targets_of(store)] == ["pod-1"]


@pytest.mark.case(11)
async def test_a_job_of_another_owner_is_refused() -> None:
    """Whoever holds the name keeps it."""
    api = FakeApi()
    api.put(Kind.TRAINING_JOBS, make_job())
    store = Store()
    (job,) = api.items(Kind.TRAINING_JOBS)
    foreign = make_child("prepare", owner="somebody")
    api.put(Kind.JOBS, foreign)
    plan = plan_for(job)
    refusal = await Executor(api, store, NoMeter(), lambda: NOW).execute(look(job), plan)
    assert refusal == Refusal(
        "run-r1-prepare", "NameTaken", "Job run-r1-prepare belongs to another owner"
    )


@pytest.mark.fault(5)
@pytest.mark.case(11, 14)
async def test_nothing_is_created_for_a_resource_that_was_made_anew() -> None:
    """The cache shows the old one; its name now belongs to another."""
    api = FakeApi()
    job, _, _ = running()
    stale = {**job, "metadata": {**job["metadata"], "uid": "old"}}
    api.put(Kind.TRAINING_JOBS, job)
    executor = Executor(api, Store(), NoMeter(), lambda: NOW)
    with pytest.raises(NotFound):
        await executor.execute(look(stale), Plan(create={"metadata": {"name": "x"}}))
    assert api.writes == []


class Passed(NoMeter):
    """Keeps the reasons of the attempts that were counted."""

    def __init__(self) -> None:
        self.attempts: list[str] = []

    def passed(self, milestones: Milestones) -> None:
        self.attempts += milestones.attempts


async def test_an_end_is_counted_when_it_is_stored() -> None:
    """Not when another operator was faster: its write is counted there."""
    api, passed = FakeApi(), Passed()
    job, child, _ = running()
    job = api.put(Kind.TRAINING_JOBS, job)
    killed = make_pod(child, phase="Failed", exit_code=137)
    plan = plan_for(job, child, pods=(killed,))
    executor = Executor(api, Store(), passed, lambda: NOW)
    stale = {**job, "metadata": {**job["metadata"], "resourceVersion": "0"}}
    with pytest.raises(Conflict):
        await executor.execute(look(stale), plan)
    assert passed.attempts == []
    await executor.execute(look(job), plan)
    assert passed.attempts == ["Killed"]


async def test_an_end_that_the_installed_kind_does_not_keep_is_not_counted() -> None:
    """It is decided anew at every look, and would be counted at each."""

    class OlderKind(FakeApi):
        async def patch_status(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
            return await self.get(kind, namespace, name)

    api, passed = OlderKind(), Passed()
    job, child, _ = running()
    job = api.put(Kind.TRAINING_JOBS, job)
    plan = plan_for(job, child, pods=(make_pod(child, phase="Failed", exit_code=137),))
    await Executor(api, Store(), passed, lambda: NOW).execute(look(job), plan)
    assert passed.attempts == []


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {}, {"a": None}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, {"a": {"c": None}}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
        ({"a": {"b": 1}}, {"a": {"b": 1}}, {}),
    ],
)
def test_status_writes_carry_only_what_changes(old: Any, new: Any, patch: Any) -> None:
    """What a newer operator wrote beside it is left alone."""
    assert merge_patch(old, new) == patch


@pytest.mark.fault(33)
def test_an_event_is_never_too_long_to_be_posted() -> None:
    """API servers take 1024 characters; what a user wrote may be repeated in more."""
    note = EventNote("Refused/1", "BadSpec", "x" * 5000, warning=True)
    body = event_body(look(make_job()), 1, note, NOW)
    assert len(body["message"]) == 1024
    assert body["message"].endswith("…")
