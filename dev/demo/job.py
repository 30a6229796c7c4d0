"""The demo's job: removed with what an earlier demo left, fitted to the node, applied."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

from cluster.errors import ClusterError
from cluster.report import waiting
from demo.install import NAMESPACE, Kubectl
from preftrain_api.group import LABEL_JOB
from preftrain_api.kubernetes_yaml import load_manifest

GPU_RESOURCE = "nvidia.com/gpu"
GONE_SECONDS = 180.0
"""A pod that is asked to end gets two minutes."""


def read_job(path: Path) -> dict[str, Any]:
    """The manifest as a cluster would read it."""
    return load_manifest(path.read_text(encoding="utf-8"))


def remove(kube: Kubectl, name: str) -> None:
    """Delete an earlier demo's job and wait for its pods, which might still publish.

    Raises:
        ClusterError: a pod is still there after three minutes.
    """
    if kube.get("crd", "preferencetrainingjobs.preftrain.dev") is None:
        return
    kube("delete", "ptj", name, "-n", NAMESPACE, "--ignore-not-found", "--wait=true")
    deadline = time.monotonic() + GONE_SECONDS
    with waiting(f"waiting for the pods of an earlier {name} to end"):
        while pods := (kube.get("pods", "-n", NAMESPACE, "-l", f"{LABEL_JOB}={name}") or {}):
            if not pods.get("items"):
                return
            if time.monotonic() > deadline:
                raise ClusterError(f"a pod of an earlier {name} does not end; try again later")
            time.sleep(1)


def apply(kube: Kubectl, manifest: dict[str, Any]) -> bool:
    """Kubectl apply, on the GPU where a node has one; whether it has."""
    nodes = (kube.get("nodes") or {}).get("items", ())
    on_gpu = any(int(node["status"]["allocatable"].get(GPU_RESOURCE, 0)) > 0 for node in nodes)
    kube("apply", "-f", "-", stdin=json.dumps(for_gpu(manifest) if on_gpu else manifest))
    return on_gpu


def for_gpu(manifest: dict[str, Any]) -> dict[str, Any]:
    """The same job on a GPU: 4-bit weights, and none of the memory limits of a CPU run."""
    changed = copy.deepcopy(manifest)
    changed["spec"]["model"].pop("quantization", None)
    changed["spec"].pop("compute", None)
    return changed
