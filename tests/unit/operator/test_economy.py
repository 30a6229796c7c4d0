"""What the operator leaves undone, because doing it would cost CPU and bring nothing."""

from __future__ import annotations

import gc
import json
import tracemalloc
from pathlib import Path
from typing import Any

import kopf
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from preftrain_operator import __main__ as program
from preftrain_operator.edge.config import configure
from preftrain_operator.kube.client import KubeClient
from preftrain_operator.kube.port import Kind
from preftrain_operator.runtime import readings
from preftrain_operator.runtime.readings import Readings
from preftrain_operator.runtime.shelf import Shelf
from preftrain_operator.runtime.store import Store
from support.situations import UID, make_child, make_job, make_pod


def version(item: dict[str, Any], number: int, **status: Any) -> dict[str, Any]:
    """The object at another version, with another status."""
    metadata = {**item["metadata"], "resourceVersion": str(number)}
    return {**item, "metadata": metadata, "status": {**item["status"], **status}}


def test_news_that_change_no_decision_bring_no_look() -> None:
    """The Job controller counts in fields that nobody here reads; a condition is news."""
    changed: list[str] = []
    store = Store(changed.append)
    store.put(Kind.JOBS, version(make_child(), 5))
    assert store.put(Kind.JOBS, version(make_child(), 6, ready=1, terminating=0))
    assert changed == [UID]
    complete = [{"type": "Complete", "status": "True"}]
    assert store.put(Kind.JOBS, version(make_child(), 7, conditions=complete))
    assert changed == [UID, UID]


def test_what_brought_no_look_is_known_all_the_same() -> None:
    """Writes that carry a version carry the newest."""
    store = Store()
    store.put(Kind.JOBS, version(make_child(uid="child"), 5))
    store.put(Kind.JOBS, version(make_child(uid="child"), 6, ready=1))
    known = store.get(Kind.JOBS, "child")
    assert known is not None
    assert known["metadata"]["resourceVersion"] == "6"


def test_a_pod_that_is_being_deleted_is_news() -> None:
    """Metadata count as well, but for the version."""
    changed: list[str] = []
    store = Store(changed.append)
    pod = version(make_pod(make_child()), 5)
    store.put(Kind.PODS, pod)
    later = version(pod, 6)
    later["metadata"]["deletionTimestamp"] = "2026-11-24T10:00:00Z"
    store.put(Kind.PODS, later)
    assert len(changed) == 2


def test_objects_that_are_not_used_take_less_memory_and_come_back_whole() -> None:
    """Ten thousand of each kind are kept, and dicts take many times what their text does."""
    shelf, count = Shelf(room=1), 200
    text = json.dumps(make_job())
    tracemalloc.start()
    for number in range(count):
        item = json.loads(text)
        item["metadata"] |= {"uid": str(number), "resourceVersion": str(number)}
        shelf.put(str(number), item)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / count < len(text) * 2
    assert [shelf.version(str(number)) for number in range(count)] == list(range(count))
    first = shelf.get("0")
    assert first is not None
    assert first["spec"] == make_job()["spec"]
    assert sorted(shelf, key=int) == [str(number) for number in range(count)]
    shelf.discard("0")
    assert "0" not in shelf
    assert shelf.get("0") is None


def test_a_resource_is_read_once_for_each_version_of_spec_and_status() -> None:
    """Another spec or status is read anew; the same one, at whatever version, is not."""
    known, job = Readings(), make_job()
    first = known.of(job)
    assert known.of(version(job, 99)) is first
    assert known.of(version(job, 100, runRevision=1)) is not first
    changed = {**job, "spec": {**job["spec"], "maxRetries": 9}}
    reading = known.of(changed)
    assert reading.spec.spec is not None
    assert reading.spec.spec.max_retries == 9


def test_readings_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was not asked for the longest goes first."""
    monkeypatch.setattr(readings, "MAX_READINGS", 2)
    known, jobs = Readings(), [make_job() for _ in range(3)]
    for number, job in enumerate(jobs):
        job["metadata"] = {**job["metadata"], "uid": str(number)}
    first, second = known.of(jobs[0]), known.of(jobs[1])
    assert known.of(jobs[0]) is first
    known.of(jobs[2])
    assert known.of(jobs[0]) is first
    assert known.of(jobs[1]) is not second


def test_kopf_copies_and_compares_nothing() -> None:
    """Its own storages copy every object of every event, twice."""
    settings = kopf.OperatorSettings()
    configure(settings)
    body = kopf.Body({"metadata": {"name": "x"}, "spec": {"a": {"b": 1}}})
    essence = settings.persistence.diffbase_storage.build(body=body)
    assert essence == {}
    assert settings.persistence.diffbase_storage.fetch(body=body) is None
    assert settings.persistence.progress_storage.clear(essence=essence) is essence


def test_kopf_keeps_no_object_for_long() -> None:
    """Each of its tasks holds the last event whole until it ends; 0 would never end one."""
    settings = kopf.OperatorSettings()
    configure(settings)
    assert 0 < settings.queueing.idle_timeout <= 0.5


def test_garbage_is_searched_for_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process sets it when it starts."""
    chosen: list[int] = []
    monkeypatch.setattr(gc, "set_threshold", lambda *counts: chosen.extend(counts))
    monkeypatch.setattr(gc, "freeze", lambda: None)
    program._collect_less()
    assert chosen[0] > gc.get_threshold()[0]


async def test_requests_look_for_no_proxy_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking costs two threads a request, and the watches would not go that way."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"metadata": {"name": "one"}})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": str(server.make_url("/"))}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        file = tmp_path / "kubeconfig"
        file.write_text(json.dumps(config))
        monkeypatch.setattr(
            "kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file)
        )
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        kube = await KubeClient.connect(user_agent="test", connections=1)
        try:
            assert (await kube.get(Kind.JOBS, "n", "one"))["metadata"]["name"] == "one"
        finally:
            await kube.close()
