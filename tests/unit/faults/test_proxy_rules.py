"""What the fault proxy takes a request for, and that the same seed makes the same faults."""

from __future__ import annotations

from random import Random

import pytest

from support.api_fault_proxy import Exchange, delayed, dropped, reordered, repeated


def exchange(method: str, path: str, **query: str) -> Exchange:
    """A request without a body."""
    return Exchange(1, method, path, query, {}, b"")


@pytest.mark.parametrize(
    ("path", "resource", "name"),
    [
        ("/api/v1/pods", "pods", ""),
        ("/api/v1/namespaces/team/pods", "pods", ""),
        ("/api/v1/namespaces/team/pods/p/status", "pods", "p"),
        ("/apis/batch/v1/namespaces/team/jobs/j", "jobs", "j"),
        ("/apis/batch/v1/jobs", "jobs", ""),
        ("/api/v1/namespaces/team", "namespaces", "team"),
        ("/apis/batch/v1", "", ""),
    ],
)
def test_kind_and_name_are_read_from_the_path(path: str, resource: str, name: str) -> None:
    """With and without a namespace, of the core group and others."""
    found = exchange("GET", path)
    assert (found.resource, found.name) == (resource, name)
    assert found.is_list == (bool(resource) and not name)


def test_lists_that_fill_caches_are_told_from_looks() -> None:
    """A look names the job; watches and full lists do not."""
    path = "/apis/batch/v1/namespaces/team/jobs"
    both = "app.kubernetes.io/managed-by=preftrain,preftrain.dev/job-uid"
    assert exchange("GET", path, labelSelector=both).is_cache_fill
    assert exchange("GET", path, labelSelector=both, watch="true").is_cache_fill
    assert not exchange("GET", path, labelSelector="preftrain.dev/job-uid=1").is_cache_fill
    assert not exchange("POST", path).is_cache_fill


@pytest.mark.parametrize("schedule", [dropped, delayed, repeated, reordered])
def test_the_same_seed_makes_the_same_faults(schedule: object) -> None:
    """Otherwise a failure could not be looked at again."""
    assert callable(schedule)
    runs = [[schedule(dice) for _ in range(20)] for dice in (Random(7), Random(7))]  # noqa: S311
    assert runs[0] == runs[1]
