"""kopf's handlers: they put what the watches tell into the store, and never fail or wait."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import kopf

from preftrain_api.group import GROUP, PLURAL, VERSION
from preftrain_operator.edge.probe import Health
from preftrain_operator.kube.port import Json, Kind

Sink = Callable[[Kind, str | None, Json], None]
"""Takes kind, type of the event (None in the first list) and the object."""


def build_registry(sink: Sink, health: Health) -> kopf.OperatorRegistry:
    """A registry of its own, so that nothing is shared between operators in one process."""
    registry = kopf.OperatorRegistry()
    for kind, resource in (
        (Kind.TRAINING_JOBS, (GROUP, VERSION, PLURAL)),
        (Kind.JOBS, ("batch", "v1", "jobs")),
        (Kind.PODS, ("", "v1", "pods")),
    ):
        _pass_on(registry, kind, resource, sink)

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return log_in(**kwargs)

    @kopf.on.probe(registry=registry, id="alive")
    async def probe(**_: Any) -> str:
        fault = health.fault()
        if fault is not None:
            # Any other exception would make the probe hang instead of fail.
            raise kopf.PermanentError(fault)
        return "yes"

    return registry


def log_in(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """The pod's service account, else the user's kubeconfig.

    The API server is addressed by the address that Kubernetes gives each container: kopf's
    own choice is a name, for which the cluster's DNS would have to run.
    """
    found = kopf.login_with_service_account(**kwargs)
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    if found is None or not host:
        return kopf.login_with_kubeconfig(**kwargs)
    port = os.environ.get("KUBERNETES_SERVICE_PORT_HTTPS", "443")
    address = f"[{host}]" if ":" in host else host
    return dataclasses.replace(found, server=f"https://{address}:{port}")


def _pass_on(
    registry: kopf.OperatorRegistry, kind: Kind, resource: tuple[str, str, str], sink: Sink
) -> None:
    @kopf.on.event(*resource, registry=registry, id=f"watch-{kind.plural}")
    async def handler(event: Any, **_: Any) -> None:
        sink(kind, event["type"], event["object"])
