"""The few things the operator asks of Kubernetes and of training pods, as Protocols."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from preftrain_api import group

Json = dict[str, Any]


class Kind(Enum):
    """The kinds of objects that the operator reads and writes."""

    TRAINING_JOBS = (f"apis/{group.API_VERSION}", group.PLURAL, group.KIND)
    JOBS = ("apis/batch/v1", "jobs", "Job")
    PODS = ("api/v1", "pods", "Pod")
    EVENTS = ("api/v1", "events", "Event")
    LEASES = ("apis/coordination.k8s.io/v1", "leases", "Lease")

    def __init__(self, prefix: str, plural: str, kind: str) -> None:
        self.prefix = prefix
        self.plural = plural
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; all parts are of one moment."""

    items: tuple[Json, ...]
    resource_version: str


class KubePort(Protocol):
    """The Kubernetes API. Every method raises errors of `kube.errors` and no others."""

    def pages(
        self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Page]:
        """All objects of a kind as stored now that the selectors of labels and fields leave, page
        by page; of all namespaces for None.
        """

    async def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """One object as stored now."""

    async def create(self, kind: Kind, namespace: str, body: Json) -> Json:
        """Create an object; the answer is what was stored."""

    async def patch_status(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        """Apply a JSON merge patch to the status subresource."""

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        """Apply a JSON merge patch to an object."""

    async def delete(
        self, kind: Kind, namespace: str, name: str, uid: str, *, foreground: bool
    ) -> Json:
        """Delete the object of that UID; the answer is the object on its way out, or a Status."""


class ProgressPort(Protocol):
    """Reads /progress of training pods."""

    async def read(self, namespace: str, pod: str, address: str) -> bytes | None:
        """The body of the pod's answer; None when it is late, too long or not a plain 200."""
