"""A real Prometheus beside the cluster that scrapes the training pods.

It reaches the pods through the API server's pod proxy, so the same configuration serves a
cluster whose pod network this machine can reach and one (kind) whose it cannot.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from cluster import processes
from cluster.errors import ClusterError
from cluster.processes import Service

SCRAPE_SECONDS = 1
"""The demo's steps take seconds; at least half of them must be seen."""
READY_SECONDS = 60.0
_POD = "__meta_kubernetes_pod"


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One Prometheus server on loopback.

    Attributes:
        folder: takes its configuration, credentials, data, pid file and log.
        kubeconfig: how the pods are found and reached.
        port: where it listens.
    """

    folder: Path
    kubeconfig: Path
    port: int

    @property
    def url(self) -> str:
        """Where its query API answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def service(self) -> Service:
        """The supervised process."""
        return Service(
            "prometheus",
            self.folder,
            [
                str(executable()),
                f"--config.file={self.folder / 'prometheus.json'}",
                f"--storage.tsdb.path={self.folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--log.level=warn",
            ],
        )

    def start(self) -> None:
        """Write the configuration, start the server unless it runs, wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        access = read_access(self.kubeconfig)
        credentials = {}
        for name, text in access.files.items():
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_bytes(text)
            credentials[name] = str(path)
        written = configuration(access.server, credentials, str(self.kubeconfig))
        # Prometheus reads YAML, and JSON is YAML.
        (self.folder / "prometheus.json").write_text(json.dumps(written, indent=1))
        processes.start(self.service)
        processes.wait_ready(self.service, self._answers, READY_SECONDS)

    def stop(self) -> None:
        """End it; its data stay."""
        processes.stop(self.service)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:  # noqa: S310 - http on loopback
                return int(answer.status) == 200
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """A kubeconfig's server and credentials, as files that Prometheus can read."""

    server: str
    files: dict[str, bytes]


def read_access(kubeconfig: Path) -> ClusterAccess:
    """Server and client certificate of the current context.

    Raises:
        ClusterError: the kubeconfig logs in without a client certificate.
    """
    from cluster.kubectl import kubectl

    command = [str(kubectl()), "--kubeconfig", str(kubeconfig), "config", "view"]
    command += ["--raw", "--minify", "--flatten", "-o", "json"]
    view = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    cluster, user = view["clusters"][0]["cluster"], view["users"][0]["user"]
    if "client-certificate-data" not in user:
        raise ClusterError(f"{kubeconfig}: the demo's Prometheus needs a client certificate")
    return ClusterAccess(
        server=cluster["server"].removeprefix("https://"),
        files={
            "ca.crt": base64.b64decode(cluster["certificate-authority-data"]),
            "client.crt": base64.b64decode(user["client-certificate-data"]),
            "client.key": base64.b64decode(user["client-key-data"]),
        },
    )


def configuration(server: str, credentials: dict[str, str], kubeconfig: str) -> dict[str, object]:
    """Prometheus's configuration: every running training pod, once a second."""
    return {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "scrape_timeout": "1s"},
        "scrape_configs": [
            {
                "job_name": "preftrain-trainer",
                "scheme": "https",
                "tls_config": {
                    "ca_file": credentials["ca.crt"],
                    "cert_file": credentials["client.crt"],
                    "key_file": credentials["client.key"],
                },
                "kubernetes_sd_configs": [
                    {
                        "role": "pod",
                        "kubeconfig_file": kubeconfig,
                        "selectors": [
                            {"role": "pod", "label": "preftrain.dev/stage=train"},
                        ],
                    }
                ],
                "relabel_configs": [
                    {
                        "source_labels": [f"{_POD}_phase"],
                        "regex": "Running",
                        "action": "keep",
                    },
                    {"target_label": "__address__", "replacement": server},
                    {
                        "source_labels": ["__meta_kubernetes_namespace", f"{_POD}_name"],
                        "regex": "(.+);(.+)",
                        "target_label": "__metrics_path__",
                        "replacement": "/api/v1/namespaces/$1/pods/$2:8080/proxy/metrics",
                    },
                    {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
                    {"source_labels": [f"{_POD}_name"], "target_label": "pod"},
                    {
                        "source_labels": [f"{_POD}_label_preftrain_dev_job"],
                        "target_label": "preftrain_job",
                    },
                    {
                        # Names come back when a demo is run again; UIDs do not.
                        "source_labels": [f"{_POD}_label_preftrain_dev_job_uid"],
                        "target_label": "preftrain_job_uid",
                    },
                    {"source_labels": [f"{_POD}_name"], "target_label": "instance"},
                ],
            }
        ],
    }


def executable() -> Path:
    """The Prometheus server, installed from the distribution where that is possible.

    Raises:
        ClusterError: it is missing and cannot be installed from here.
    """
    found = shutil.which("prometheus")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-q"], check=False, capture_output=True)
        subprocess.run(
            ["apt-get", "install", "-y", "-q", "--no-install-recommends", "prometheus"],
            check=False,
            capture_output=True,
        )
        found = shutil.which("prometheus")
    if found is None:
        raise ClusterError("prometheus is missing; install it with your package manager")
    return Path(found)
