"""How a pod had ended stays known when the pod is gone, until the status of its job tells it."""

from typing import Any

import pytest

from preftrain_operator.kube.port import Kind
from preftrain_operator.runtime.store import MAX_LAST_STATES, Store
from support.situations import UID, make_job, make_pod, running


def at_version(item: dict[str, Any], number: int) -> dict[str, Any]:
    """The object at another version."""
    return {**item, "metadata": {**item["metadata"], "resourceVersion": str(number)}}


def exit_codes(store: Store) -> list[int | None]:
    """Of the pods that a decision gets to see."""
    observed = store.snapshot(UID)
    assert observed is not None
    return [pod.exit_code for pod in observed.pods]


@pytest.fixture
def world() -> tuple[Store, dict[str, Any], dict[str, Any]]:
    """A store with a run whose pod is at work, the resource and the Job."""
    job, child, pod = running()
    store = Store()
    for kind, item in ((Kind.TRAINING_JOBS, job), (Kind.JOBS, child), (Kind.PODS, pod)):
        store.put(kind, item)
    return store, job, child


def test_the_last_state_comes_with_the_deletion(
    world: tuple[Store, dict[str, Any], dict[str, Any]],
) -> None:
    """No event told of the end before; that of the deletion carries it."""
    store, job, child = world
    store.remove(Kind.PODS, at_version(make_pod(child, exit_code=70), 70))
    assert exit_codes(store) == [70]
    store.remove(Kind.JOBS, at_version(child, 80))
    assert exit_codes(store) == [70], "the status knows the Job, so its pod is still ours"
    entry = {**job["status"]["attempts"][0], "endTime": "2026-11-23T12:00:00Z"}
    told = {**job, "status": {**job["status"], "attempts": [entry]}}
    store.put(Kind.TRAINING_JOBS, at_version(told, 101))
    assert exit_codes(store) == []


def test_a_list_that_lacks_the_pod_takes_nothing_away(
    world: tuple[Store, dict[str, Any], dict[str, Any]],
) -> None:
    """Its end was told, the worker had no time yet, and a full list came in between."""
    store, _, child = world
    store.put(Kind.PODS, at_version(make_pod(child, exit_code=75), 70))
    assert store.retain(Kind.PODS, (), 90) == 1
    assert exit_codes(store) == [75]


def test_a_pod_that_had_not_ended_is_no_evidence(
    world: tuple[Store, dict[str, Any], dict[str, Any]],
) -> None:
    """It may only have lost its labels: whether it is gone is looked for."""
    store, _, child = world
    store.remove(Kind.PODS, at_version(make_pod(child, phase="Running"), 70))
    assert exit_codes(store) == []


def test_last_states_do_not_pile_up(
    world: tuple[Store, dict[str, Any], dict[str, Any]],
) -> None:
    """Neither while a run goes on, nor after its end, nor after its deletion."""
    store, job, child = world
    for number in range(2 * MAX_LAST_STATES):
        pod = make_pod(child, f"old-{number}", exit_code=75)
        store.remove(Kind.PODS, at_version(pod, 70 + number))
    assert len(exit_codes(store)) == MAX_LAST_STATES + 1, "and the one at work"
    ended = {**job, "status": {**job["status"], "completionTime": "2026-11-23T12:00:00Z"}}
    store.put(Kind.TRAINING_JOBS, at_version(ended, 300))
    assert exit_codes(store) == [None]
    store.remove(Kind.PODS, at_version(make_pod(child, "late", exit_code=75), 400))
    assert exit_codes(store) == [None]


def test_pods_of_unknown_jobs_are_not_kept() -> None:
    """A resource that is gone has nobody to account to."""
    store, child = Store(), running()[1]
    store.remove(Kind.PODS, make_pod(child, exit_code=70))
    store.put(Kind.TRAINING_JOBS, make_job())
    assert exit_codes(store) == []
