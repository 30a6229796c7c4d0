"""Times and requests of a run are added up from its calls."""

from __future__ import annotations

from bench.operator.account import Account
from bench.operator.audit import Call, Clients
from bench.operator.processes import GENERATOR
from cluster.audit_log import Request

CLIENTS = Clients({"operator": ("operator/",), GENERATOR: ("bench",), "kcm": ("kcm/",)})


def call(
    agent: str,
    verb: str,
    resource: str,
    name: str,
    at: float,
    *,
    took: float = 0.5,
    status: int = 200,
    job: str = "",
) -> Call:
    request = Request(agent, "admin", verb, resource, "bench", name, status)
    return Call(request, at, at + took, job)


def account_of(*calls: Call, child: str = "jobs") -> Account:
    return Account("things", child, CLIENTS, len("b-0")).add_all(calls)


def test_the_share_of_the_api_server_ends_with_the_first_child() -> None:
    """Creation, status and child took half a second each; what came later is not in it."""
    account = account_of(
        call("bench", "create", "things", "b-0", 10.0),
        call("operator/1", "patch", "things/status", "b-0", 11.0),
        call("operator/1", "create", "jobs", "b-0-r1-1", 12.0),
        call("kcm/1", "create", "pods", "", 13.0, job="b-0-r1-1"),
        call("operator/1", "patch", "things/status", "b-0", 14.0),
    )
    times = account.times["b-0"]
    assert times.child - times.created == 2.5
    assert times.api_seconds == 1.5
    assert times.pod - times.created == 3.5
    assert times.last_status == 14.5


def test_only_the_first_child_and_the_first_pod_count() -> None:
    """A second attempt does not make the first one late."""
    account = account_of(
        call("bench", "create", "things", "b-0", 10.0),
        call("operator/1", "create", "jobs", "b-0-1", 12.0),
        call("kcm/1", "create", "pods", "", 13.0, job="b-0-1"),
        call("operator/1", "create", "jobs", "b-0-2", 22.0),
        call("kcm/1", "create", "pods", "", 23.0, job="b-0-2"),
    )
    assert account.times["b-0"].child == 12.5
    assert account.times["b-0"].pod == 13.5


def test_the_pod_of_a_job_is_its_child() -> None:
    """A plain Job has no other."""
    account = account_of(
        call("bench", "create", "things", "b-0", 10.0),
        call("kcm/1", "create", "pods", "", 10.5, job="b-0"),
        child="pods",
    )
    assert account.times["b-0"].child == account.times["b-0"].pod == 11.0


def test_requests_are_counted_by_sender_and_kind() -> None:
    """The load generator's own are not; refused ones are, and told apart as well."""
    account = account_of(
        call("bench", "create", "things", "b-0", 10.0),
        call("operator/1", "patch", "things/status", "b-0", 11.0),
        call("operator/1", "patch", "things/status", "b-0", 12.0, status=409),
        call("operator/1", "list", "jobs", "", 13.0),
    )
    assert account.writes == {("operator", "patch", "things/status"): 2}
    assert account.reads == {("operator", "list", "jobs"): 1}
    assert account.refused == {409: 1}
    assert account.times["b-0"].last_status == 11.5


def test_the_end_is_counted_from_the_kubelets_last_word() -> None:
    """The load generator plays the kubelet."""
    account = account_of(
        call("bench", "create", "things", "b-0", 10.0),
        call("bench", "patch", "pods/status", "b-0-1-xyz", 20.0),
        call("bench", "patch", "pods/status", "b-0-1-xyz", 30.0),
    )
    assert account.times["b-0"].last_pod_ended == 30.5


def test_calls_for_objects_of_nobody_are_counted_and_not_timed() -> None:
    """Another namespace's leftovers make no object."""
    account = account_of(call("operator/1", "create", "jobs", "x-9-1", 10.0))
    assert account.times == {}
    assert account.writes.total() == 1
