"""Adds up what the audit log tells of one run: times of each object, and requests by kind. Pure.

Objects have names of one length, and everything that is made for an object begins with its
name: so every call finds its object, whatever the system calls its children.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from bench.operator.audit import Call, Clients
from bench.operator.processes import GENERATOR

RequestKind = tuple[str, str, str]
"""Client, verb, resource."""


@dataclass(slots=True)
class Times:
    """When what happened to one object; seconds since the epoch."""

    created: float = 0.0
    """The API server received the object."""
    child: float = 0.0
    """It had answered the creation of the first child; 0 while there is none."""
    api_seconds: float = 0.0
    """Until the child: what the API server spent on the requests for this object."""
    pod: float = 0.0
    """The first pod had been created."""
    last_pod_ended: float = 0.0
    """The kubelet's last status of a pod was stored."""
    last_status: float = 0.0
    """The last status of the object was stored."""


@dataclass(slots=True)
class Account:
    """What one run was made of.

    Args:
        resource: plural of the objects' kind.
        child: resource of the first object that is made for each.
        clients: names for user agents.
        name_length: of every object's name.
    """

    resource: str
    child: str
    clients: Clients
    name_length: int
    times: dict[str, Times] = field(default_factory=dict)
    writes: Counter[RequestKind] = field(default_factory=Counter)
    reads: Counter[RequestKind] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    """HTTP status → answers with it, from 400 on."""

    def add_all(self, calls: Iterable[Call]) -> Account:
        """Take in all calls, in the order of their answers."""
        for call in calls:
            self.add(call)
        return self

    def add(self, call: Call) -> None:
        """Take in one call; the load generator's own count for times alone."""
        request = call.request
        client = self.clients.name_of(request.user_agent)
        if client != GENERATOR:
            counts = self.writes if request.is_write else self.reads
            counts[client, request.verb, request.resource] += 1
            if request.status >= 400:
                self.refused[request.status] += 1
        if request.status < 400 and request.is_write and call.name:
            self._time(call, by_generator=client == GENERATOR)

    def _time(self, call: Call, *, by_generator: bool) -> None:
        verb, resource = call.request.verb, call.request.resource
        name = call.name[: self.name_length]
        if by_generator and verb == "create" and resource == self.resource:
            self.times[name] = Times(created=call.received, api_seconds=call.seconds)
            return
        times = self.times.get(name)
        if times is None:
            return
        if by_generator:
            if resource == "pods/status":
                times.last_pod_ended = call.answered
            return
        if not times.child and resource != "pods":
            times.api_seconds += call.seconds
        if verb == "create" and resource == self.child and not times.child:
            times.child = call.answered
        if verb == "create" and resource == "pods" and not times.pod:
            times.pod = call.answered
        if resource == f"{self.resource}/status":
            times.last_status = call.answered
