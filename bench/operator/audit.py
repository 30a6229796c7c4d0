"""Reads the API server's audit log: what was asked, by whom, when, and for which object."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cluster.audit_log import Request, request_of

JOB_NAME_LABEL: Final = "batch.kubernetes.io/job-name"
POLICY: Final = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  # The names of pods are made by the API server: only the body of the request tells whose.
  - level: Request
    verbs: [create]
    resources: [{group: "", resources: [pods]}]
  - level: Metadata
"""
# The order of the members is that of the API server's own type.
_WRITE: Final = re.compile(
    rb'"verb":"(create|update|patch|delete|deletecollection)".*?'
    rb'"objectRef":\{"resource":"([^"]+)","namespace":"([^"]+)".*?"code":(\d+)'
)


@dataclass(frozen=True, slots=True)
class Call:
    """One answered request.

    Attributes:
        request: what was asked for and what came of it.
        received: when the API server got it; seconds since the epoch.
        answered: when it had answered.
        job: for a pod that was created, the Job that it belongs to; else empty.
    """

    request: Request
    received: float
    answered: float
    job: str = ""

    @property
    def name(self) -> str:
        """Name of the object, or of the Job that a new pod belongs to."""
        return self.request.name or self.job

    @property
    def seconds(self) -> float:
        """How long the API server took."""
        return self.answered - self.received


@dataclass(frozen=True, slots=True)
class Clients:
    """Names for those who send requests, told by how their user agents begin."""

    prefixes: Mapping[str, Sequence[str]]

    def name_of(self, user_agent: str) -> str:
        """The client's name; the user agent's first word where there is none."""
        for name, prefixes in self.prefixes.items():
            if user_agent.startswith(tuple(prefixes)):
                return name
        return user_agent.split("/", 1)[0]


def read_calls(log: Path, namespace: str) -> Iterator[Call]:
    """The calls that concern a namespace, in the order of their answers."""
    needle = f'"namespace":"{namespace}"'
    with log.open() as lines:
        for line in lines:
            if needle in line and line.endswith("\n"):
                call = parse_call(line)
                if call is not None and call.request.namespace == namespace:
                    yield call


def parse_call(line: str) -> Call | None:
    """One line of the log; None for what is no answered request for a resource."""
    event = json.loads(line)
    request = request_of(event)
    if request is None:
        return None
    body = event.get("requestObject") or {}
    labels = (body.get("metadata") or {}).get("labels") or {}
    return Call(
        request,
        _moment(event["requestReceivedTimestamp"]),
        _moment(event["stageTimestamp"]),
        labels.get(JOB_NAME_LABEL, ""),
    )


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class Tail:
    """Counts successful writes of a namespace while the log is being written.

    It costs the API server nothing, and so does not disturb what is measured as a watch would.
    """

    def __init__(self, log: Path, namespace: str) -> None:
        self._log = log
        self._namespace = namespace.encode()
        self._offset = 0
        self._rest = b""
        self.counts: Counter[tuple[str, str]] = Counter()
        """(verb, resource without subresource) → writes so far."""
        self.total = 0

    def poll(self) -> None:
        """Take in what has been written since the last time."""
        if not self._log.exists():
            return
        with self._log.open("rb") as file:
            file.seek(self._offset)
            found = file.read()
        self._offset += len(found)
        *lines, self._rest = (self._rest + found).split(b"\n")
        for line in lines:
            match = _WRITE.search(line)
            if match and match[3] == self._namespace:
                self.total += 1
                if match[4].startswith(b"2"):
                    self.counts[match[1].decode(), match[2].decode()] += 1
