"""Counts requests in an API server's audit log by who sent them, verb and resource.

Only reads; the log is written by an API server started with `audit=True`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WRITE_VERBS = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Request:
    """One answered request.

    Attributes:
        user_agent: as the client sent it.
        user: the name that the API server authenticated.
        verb: as `get`, `watch`, `patch`.
        resource: plural, with the subresource after a slash: `pods`, `pods/status`.
        namespace: empty for what lies in none.
        name: empty where the request names no object.
        status: HTTP status of the answer.
    """

    user_agent: str
    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    status: int

    @property
    def is_write(self) -> bool:
        """Whether it could change something."""
        return self.verb in WRITE_VERBS


def read_requests(log: Path, *, namespace: str = "") -> Iterator[Request]:
    """The completed requests in the log, in order; a last line still being written is left out.

    Args:
        log: an audit log.
        namespace: read what concerns this namespace only, which is faster; empty for all.
    """
    if not log.exists():
        return
    with log.open() as lines:
        for line in lines:
            if line.endswith("\n") and namespace in line:
                request = parse_line(line)
                if request is not None and namespace in ("", request.namespace):
                    yield request


def parse_line(line: str) -> Request | None:
    """One line of the log; None for requests that concern no resource, such as /readyz."""
    return request_of(json.loads(line))


def request_of(event: dict[str, Any]) -> Request | None:
    """The request that an event of the log tells; None as for `parse_line`."""
    reference = event.get("objectRef")
    if event["stage"] != "ResponseComplete" or reference is None:
        return None
    subresource = reference.get("subresource")
    return Request(
        user_agent=event.get("userAgent", ""),
        user=event.get("user", {}).get("username", ""),
        verb=event["verb"],
        resource=reference["resource"] + (f"/{subresource}" if subresource else ""),
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
        status=event.get("responseStatus", {}).get("code", 0),
    )


def count_writes(
    log: Path, *, user_agent_prefix: str = "", namespace: str = ""
) -> Counter[tuple[str, str, str]]:
    """Write requests by (user agent, verb, resource).

    Args:
        log: an audit log.
        user_agent_prefix: count these clients only; empty for all.
        namespace: count what concerns this namespace only; empty for all.
    """
    return Counter(
        (request.user_agent, request.verb, request.resource)
        for request in read_requests(log, namespace=namespace)
        if request.is_write and request.user_agent.startswith(user_agent_prefix)
    )
