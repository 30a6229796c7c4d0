"""Gives the node GPUs that are not there, to test how pods that ask for them are placed."""

from __future__ import annotations

import urllib.parse

from cluster.api import Api

GPU_RESOURCE = "nvidia.com/gpu"


def set_fake_gpus(api: Api, node: str, count: int, resource: str = GPU_RESOURCE) -> None:
    """Set the node's capacity of a resource; the scheduler and the kubelet believe it.

    A kubelet that starts again sets it to zero.
    """
    amount = {resource: str(count)}
    # The kubelet derives the second from the first; setting both spares the wait for it.
    status = {"status": {"capacity": amount, "allocatable": amount}}
    api.call("PATCH", f"/api/v1/nodes/{urllib.parse.quote(node)}/status", status)
