"""What must hold of every status that was ever stored, and of the world once all is quiet."""

from __future__ import annotations

from preftrain_api.reasons import REASON_OF_EXIT_CODE, Reason
from preftrain_api.status import MAX_ATTEMPTS
from preftrain_operator.core.policies.creation import RETRY_SECONDS
from preftrain_operator.kube.port import Json, Kind
from support.schedule.children import controller_of, has_ended, is_decided, is_on_its_way_out
from support.schedule.world import World

_COUNTED = frozenset(
    {
        Reason.INTERNAL_ERROR,
        Reason.OBJECT_STORE_UNAVAILABLE,
        Reason.KILLED,
        Reason.END_UNSEEN,
        Reason.JOB_DELETED,
        *(reason for code, reason in REASON_OF_EXIT_CODE.items() if code.is_final),
    }
)
CATCH_UP_ROUNDS = 10
QUIET_ROUNDS = 200
"""Rounds in which a fair world must come to its end: far more than the longest life needs."""


def check_history(world: World) -> None:
    """Within a revision a verdict never changes, and attempts and retries never decrease."""
    verdicts: dict[tuple[str, int], tuple[str, str]] = {}
    highest: dict[tuple[str, int], tuple[int, int]] = {}
    for uid, status in world.history:
        key = (uid, status.get("runRevision", 0))
        number = max((entry["number"] for entry in status.get("attempts", ())), default=0)
        counts = (number, status.get("retries", 0))
        before = highest.get(key, (0, 0))
        assert counts[0] >= before[0], f"attempts fell from {before} to {counts}"
        assert counts[1] >= before[1], f"retries fell from {before} to {counts}"
        highest[key] = counts
        verdict = verdict_of(status)
        if verdict is not None or key in verdicts:
            assert verdicts.setdefault(key, verdict or ("", "")) == verdict, "a verdict changed"


def verdict_of(status: Json) -> tuple[str, str] | None:
    """How the run ended; None while it has not."""
    if "completionTime" not in status:
        return None
    ready = next(item for item in status["conditions"] if item["type"] == "Ready")
    return ready["status"], ready["reason"]


def catch_up(world: World) -> None:
    """All operators see everything and do all there is to do, while the cluster stands still.

    Raises:
        AssertionError: more than one training Job could still start a pod, or what holds the
            run up is not said.
    """
    world.asleep = None
    for _ in range(CATCH_UP_ROUNDS):
        before = world.api.version
        _let_operators_work(world)
        if world.api.version == before:
            break
    job = world.job()
    owner = job["metadata"]["uid"] if job else ""
    alive = [
        item["metadata"]["name"]
        for item in world.unfinished("train")
        if controller_of(item) == owner and not is_on_its_way_out(item)
    ]
    assert len(alive) <= 1, f"{alive} are all unfinished"
    if job is not None:
        _check_held_up(world, job)


def _check_held_up(world: World, job: Json) -> None:
    """What holds the run up is told: its user, a name that is taken, or its queue."""
    status = job["status"]
    held = any(c["type"] == "Suspended" and c["status"] == "True" for c in status["conditions"])
    # Jobs of a resource that was deleted wait for the garbage collector.
    own = {
        item["metadata"]["uid"]
        for item in world.api.items(Kind.JOBS)
        if controller_of(item) == job["metadata"]["uid"]
    }
    pods = [pod for pod in world.api.items(Kind.PODS) if controller_of(pod) in own]
    if held:
        assert all(map(has_ended, pods)), "a run that is said to be suspended has a pod"
    if "completionTime" in status or job["spec"].get("suspend") or not status.get("jobRefs"):
        return
    current, stranger = status["jobRefs"][-1], world.stranger()
    told = next(item["reason"] for item in status["conditions"] if item["type"] == "Ready")
    if stranger is not None and stranger["metadata"]["name"] == current["name"]:
        # A refusal stands for half a minute, whatever else would be in the way by now.
        allowed = ("NameTaken", "QuotaExceeded")
        assert told in allowed, f"{current['name']} is taken, and the status says {told}"
    for item in world.unfinished("train"):
        is_held = item["metadata"]["name"] == current["name"] and item["spec"].get("suspend")
        # The Job controller is about to say how it ended, suspended or not.
        if is_held and not is_decided(item, pods):
            assert told == "Queued", f"{current['name']} is queued, and the status says {told}"


def quieten(world: World) -> None:
    """Everybody catches up and nobody disturbs any more; whoever was suspended is resumed.

    Raises:
        AssertionError: it does not come to rest.
    """
    job = world.job()
    if job is not None and job["spec"].get("suspend"):
        world.user_suspends()
    if world.stranger() is not None:
        world.a_stranger_comes_or_goes()
    world.asleep = None
    waited = False
    for _ in range(QUIET_ROUNDS):
        before = _state(world)
        _let_operators_work(world)
        world.garbage_collector()
        for _ in range(3):
            world.queue(evict=False)
            world.job_controller()
            world.kubelet()
        world.seconds += 1
        if _state(world) != before:
            waited = False
        elif waited:
            return
        else:
            # A refusal that stands looks like rest.
            world.seconds += int(RETRY_SECONDS)
            waited = True
    raise AssertionError("still busy")


def _let_operators_work(world: World) -> None:
    for operator in world.operators:
        operator.catch_up()
        for key in operator.known():
            operator.settle(key)


def check_rest(world: World) -> None:
    """One verdict, no work left, nothing without an owner."""
    job = world.job()
    if job is None:
        assert world.api.items(Kind.JOBS) == []
        return
    status = job["status"]
    assert "completionTime" in status, f"a fair world did not bring it to its end: {status}"
    assert status["observedGeneration"] == job["metadata"]["generation"]
    assert world.unfinished() == []
    uid = job["metadata"]["uid"]
    for item in world.api.items(Kind.JOBS):
        assert controller_of(item) == uid
    check_accounts(world, status)
    assert [entry for entry in status.get("attempts", ()) if "endTime" not in entry] == []
    told = {item["reason"] for item in world.api.items(Kind.EVENTS)}
    assert told <= {str(reason) for reason in Reason}
    names = [item["metadata"]["name"] for item in world.api.items(Kind.EVENTS)]
    assert len(names) == len(set(names))
    # The Job controller may start one pod more than allowed before the operator looks.
    assert status.get("retries", 0) <= job["spec"]["maxRetries"] + 2


def check_accounts(world: World, status: Json) -> None:
    """Whatever a Job counted as failed is in an attempt, seen or not.

    The last Job of a run that gave up may fail once more when nobody counts any longer. A Job that
    an operator with an old view made, after its attempt had been closed, is none of the run's: no
    reference has its UID.
    """
    entries = status.get("attempts", ())
    gave_up = verdict_of(status) == ("False", Reason.BACKOFF_LIMIT_EXCEEDED)
    refs = status["jobRefs"][:-1] if gave_up else status["jobRefs"]
    uids = {ref.get("uid") for ref in refs if ref["stage"] == "Train"}
    for item in world.api.items(Kind.JOBS):
        name = item["metadata"]["name"]
        if item["metadata"]["uid"] not in uids or len(entries) == MAX_ATTEMPTS:
            continue
        told = [entry for entry in entries if entry["job"] == name and entry["reason"] in _COUNTED]
        failed = item["status"].get("failed", 0)
        assert len(told) >= failed, f"{name} counted {failed} failures, not only {told}"


def check_silence(world: World) -> None:
    """Nothing is written when nothing has changed."""
    before = len(world.api.writes)
    for operator in world.operators:
        operator.resync()
        for key in operator.known():
            operator.settle(key)
    assert world.api.writes[before:] == []


def _state(world: World) -> tuple[int, tuple[str, ...]]:
    pods = tuple(pod["status"]["phase"] for pod in world.api.items(Kind.PODS))
    return world.api.version, pods
