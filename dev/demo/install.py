"""Puts Preftrain and the demo's job into the cluster, with the tools that users have.

helm installs the chart, kubectl applies the example; nothing here talks to the API server in
any other way.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.builder import program
from cluster.errors import ClusterError
from cluster.kubectl import kubectl
from cluster.report import say, waiting

REPOSITORY = Path(__file__).resolve().parents[2]
CHART = REPOSITORY / "charts" / "preftrain"
SYSTEM_NAMESPACE = "preftrain-system"
RELEASE = "preftrain"
NAMESPACE = "preftrain-demo"
S3_SERVICE_IP = "10.96.100.10"
"""Fixed, because there may be no cluster DNS; inside the service range of kind and of ours."""
S3_SERVICE_PORT = 9000


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with one kubeconfig."""

    kubeconfig: Path

    def __call__(self, *words: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl and return what it printed.

        Raises:
            ClusterError: it failed; the message is kubectl's own.
        """
        command = [str(kubectl()), "--kubeconfig", str(self.kubeconfig), *words]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise ClusterError(f"kubectl {' '.join(words[:4])}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *words: str) -> dict[str, Any] | None:
        """One object as JSON, or None when it does not exist."""
        text = self("get", *words, "-o", "json", "--ignore-not-found")
        found: dict[str, Any] | None = json.loads(text) if text.strip() else None
        return found

    def apply(self, manifests: Sequence[Mapping[str, Any]]) -> None:
        """Apply objects on the server's side."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(listed))


def install_operator(kubeconfig: Path, images: Mapping[str, str]) -> None:
    """Helm install, waiting until the operator is ready.

    Args:
        kubeconfig: the cluster.
        images: image reference by name: operator, prepare, trainer.
    """
    values: dict[str, Any] = {}
    for name, reference in images.items():
        repository, _, tag = reference.rpartition(":")
        values.setdefault("images", {})[name] = {"repository": repository, "tag": tag}
    helm = Helm(kubeconfig)
    if (helm.state() or "").startswith("pending"):
        # An installation that was cut off blocks every later one.
        helm("uninstall", RELEASE, "--wait")
    say("installing the chart with helm")
    words = ("upgrade", "--install", RELEASE, str(CHART), "--create-namespace", "--wait")
    with waiting("waiting for the operator to be ready"):
        helm(*words, "--timeout", "3m", "--values", "-", stdin=json.dumps(values))


@dataclass(frozen=True, slots=True)
class Helm:
    """helm with one kubeconfig, in the operator's namespace."""

    kubeconfig: Path

    def __call__(self, *words: str, stdin: str | None = None) -> str:
        """Run helm and return what it printed.

        Raises:
            ClusterError: it failed; the message is helm's own.
        """
        done = self._run(*words, stdin=stdin)
        if done.returncode != 0:
            raise ClusterError(f"helm {' '.join(words[:3])}: {done.stderr.strip()}")
        return done.stdout

    def state(self) -> str | None:
        """Status of the release, for example deployed or pending-install; None without one."""
        done = self._run("status", RELEASE, "-o", "json")
        return str(json.loads(done.stdout)["info"]["status"]) if done.returncode == 0 else None

    def _run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(program("helm")), "--kubeconfig", str(self.kubeconfig)]
        command += ["--namespace", SYSTEM_NAMESPACE, *words]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def demo_objects(s3_address: str, s3_port: int, secret: Mapping[str, str]) -> list[dict[str, Any]]:
    """The demo's namespace, its S3 credentials, and a service for the S3 server outside."""
    labels = {"app.kubernetes.io/part-of": "preftrain-demo"}

    def meta(name: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "namespace": NAMESPACE, "labels": labels, **more}

    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": NAMESPACE,
                "labels": {**labels, "pod-security.kubernetes.io/enforce": "restricted"},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": meta("s3-keys"),
            "stringData": dict(secret),
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta("s3"),
            "spec": {
                "clusterIP": S3_SERVICE_IP,
                "ports": [{"name": "s3", "port": S3_SERVICE_PORT, "targetPort": s3_port}],
            },
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                **meta("s3-outside"),
                "labels": {**labels, "kubernetes.io/service-name": "s3"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [s3_address]}],
            "ports": [{"name": "s3", "port": s3_port, "protocol": "TCP"}],
        },
    ]
