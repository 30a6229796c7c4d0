"""The benchmark reads requests, their times and their senders from audit log lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.operator.audit import Clients, Tail, parse_call, read_calls


def line(verb: str, resource: str, name: str = "", **more: object) -> str:
    """A line as the API server writes it: without blanks, members in its own order."""
    event = {
        "kind": "Event",
        "stage": "ResponseComplete",
        "requestURI": "/x",
        "verb": verb,
        "user": {"username": "admin"},
        "userAgent": "operator/1 (linux)",
        "objectRef": {"resource": resource, "namespace": "bench", "name": name},
        "responseStatus": {"metadata": {}, "code": 201},
        "requestReceivedTimestamp": "2026-11-24T10:00:00.000000Z",
        "stageTimestamp": "2026-11-24T10:00:00.250000Z",
        **more,
    }
    return json.dumps(event, separators=(",", ":")) + "\n"


def test_a_call_has_its_object_and_its_duration() -> None:
    """Seconds are those between arrival and answer."""
    call = parse_call(line("create", "jobs", "b-00001-r1-1"))
    assert call is not None
    assert call.name == "b-00001-r1-1"
    assert call.seconds == pytest.approx(0.25)


def test_a_new_pod_is_found_by_its_job() -> None:
    """The name of a pod is made by the API server and not in the request."""
    body = {"metadata": {"labels": {"batch.kubernetes.io/job-name": "b-00001"}}}
    call = parse_call(line("create", "pods", requestObject=body))
    assert call is not None
    assert call.name == "b-00001"


def test_other_namespaces_and_unfinished_lines_are_left_out(tmp_path: Path) -> None:
    """What is still being written is read the next time."""
    log = tmp_path / "audit.log"
    elsewhere = line("create", "jobs", objectRef={"resource": "jobs", "namespace": "other"})
    log.write_text(line("create", "jobs") + elsewhere + line("create", "jobs")[:80])
    assert len(list(read_calls(log, "bench"))) == 1


def test_a_tail_counts_writes_that_succeeded_as_they_come(tmp_path: Path) -> None:
    """A line that was cut in two counts once; refused and read requests do not."""
    log = tmp_path / "audit.log"
    tail = Tail(log, "bench")
    tail.poll()
    whole = line("create", "pods")
    log.write_text(whole + whole[:50])
    tail.poll()
    assert tail.counts["create", "pods"] == 1
    refused = line("create", "pods", responseStatus={"metadata": {}, "code": 409})
    with log.open("a") as file:
        file.write(whole[50:] + refused + line("get", "pods"))
    tail.poll()
    assert tail.counts["create", "pods"] == 2
    assert tail.total == 3


def test_clients_are_told_by_the_beginning_of_their_user_agents() -> None:
    """Whoever is not known keeps its own first word."""
    clients = Clients({"operator": ("operator/", "kopf/")})
    assert clients.name_of("kopf/1.45") == "operator"
    assert clients.name_of("kubectl/v1 (linux)") == "kubectl"
