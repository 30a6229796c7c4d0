"""Copies are what somebody would have created, with names and UIDs of their own."""

from __future__ import annotations

from typing import Any

from bench.operator.copies import newborn, replaced

JOB: dict[str, Any] = {
    "metadata": {
        "name": "b-00000-r1-1",
        "uid": "job-uid",
        "resourceVersion": "7",
        "generation": 1,
        "creationTimestamp": "2026-11-24T10:00:00Z",
        "managedFields": [{}],
        "labels": {"mine": "owner-uid", "controller-uid": "job-uid"},
        "ownerReferences": [{"name": "b-00000", "uid": "owner-uid"}],
    },
    "spec": {
        "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "job-uid"}},
        "template": {
            "metadata": {"labels": {"batch.kubernetes.io/controller-uid": "job-uid", "a": "b"}},
            "spec": {"containers": []},
        },
    },
    "status": {"active": 1},
}
CHANGES = {"b-00000": "b-00042", "owner-uid": "new-owner"}


def test_a_copy_belongs_to_the_copied_owner() -> None:
    """Name, owner reference and labels speak of the new one."""
    copy = newborn(JOB, CHANGES)
    assert copy["metadata"]["name"] == "b-00042-r1-1"
    assert copy["metadata"]["ownerReferences"] == [{"name": "b-00042", "uid": "new-owner"}]
    assert copy["metadata"]["labels"] == {"mine": "new-owner"}


def test_what_the_api_server_makes_is_left_to_it() -> None:
    """Otherwise it would refuse the copy."""
    copy = newborn(JOB, CHANGES)
    assert set(copy["metadata"]) == {"name", "labels", "ownerReferences"}
    assert "status" not in copy
    assert "selector" not in copy["spec"]
    assert copy["spec"]["template"]["metadata"]["labels"] == {"a": "b"}


def test_a_status_speaks_of_the_copies_uids() -> None:
    """Wherever they stand in it."""
    status = {"attempts": [{"podUid": "pod-uid", "pod": "b-00000-r1-1-xyz"}]}
    assert replaced(status, {"b-00000": "b-00042", "pod-uid": "new"}) == {
        "attempts": [{"podUid": "new", "pod": "b-00042-r1-1-xyz"}]
    }
