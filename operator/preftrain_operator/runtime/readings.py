"""Remembers how resources were read: most looks are at one that has not changed.

A job is looked at whenever one of its Jobs or pods changes, and reading its spec and status is
the dearest part of a look.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from preftrain_operator.core.observed import JobReading, read_job
from preftrain_operator.kube.port import Json

MAX_READINGS: Final = 1024
"""Far more than are worked on at once, and little memory beside the store's own."""


@dataclass(frozen=True, slots=True)
class _Known:
    spec: Json
    status: Json
    reading: JobReading


class Readings:
    """The latest readings, by UID; the one not asked for the longest is forgotten first."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def of(self, job: Json) -> JobReading:
        """What `read_job` says of a resource as the store keeps it."""
        uid, spec, status = job["metadata"]["uid"], job["spec"], job["status"]
        known = self._known.get(uid)
        if known is None or known.spec != spec or known.status != status:
            known = _Known(spec, status, read_job(job))
            self._known[uid] = known
            if len(self._known) > MAX_READINGS:
                self._known.popitem(last=False)
        self._known.move_to_end(uid)
        return known.reading

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        self._known.pop(uid, None)
