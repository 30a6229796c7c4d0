"""Requests are counted from the audit log's lines."""

from __future__ import annotations

import json
from pathlib import Path

from cluster.audit_log import count_writes, parse_line, read_requests


def line(verb: str, agent: str = "operator/1", **event: object) -> str:
    return json.dumps(
        {
            "stage": "ResponseComplete",
            "verb": verb,
            "userAgent": agent,
            "user": {"username": "admin"},
            "objectRef": {
                "resource": "pods",
                "subresource": "status",
                "namespace": "n",
                "name": "p",
            },
            "responseStatus": {"code": 200},
            **event,
        }
    )


def test_a_subresource_is_counted_apart() -> None:
    """A status write is not a write of the object."""
    request = parse_line(line("patch"))
    assert request is not None
    assert request.resource == "pods/status"
    assert request.is_write


def test_requests_without_an_object_and_unfinished_ones_are_left_out() -> None:
    """Probes, and the start of a watch, are no requests for a resource."""
    assert parse_line(line("get", objectRef=None)) is None
    assert parse_line(line("watch", stage="ResponseStarted")) is None


def test_only_the_clients_writes_are_counted(tmp_path: Path) -> None:
    """Reads, other clients and a line still being written are not counted."""
    log = tmp_path / "audit.log"
    lines = [line("patch"), line("get"), line("patch", agent="kubelet"), line("patch")]
    log.write_text("\n".join(lines) + "\n" + line("create")[:40])
    counted = count_writes(log, user_agent_prefix="operator", namespace="n")
    assert counted == {("operator/1", "patch", "pods/status"): 2}
    assert count_writes(log, user_agent_prefix="operator", namespace="other") == {}
    assert len(list(read_requests(log))) == 4
    assert list(read_requests(tmp_path / "missing")) == []
