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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import processes
from cluster.errors import ClusterError
from cluster.processes import Service
from preftrain_api.group import LABEL_JOB, LABEL_JOB_UID, LABEL_STAGE

SCRAPE_SECONDS = 1
"""The demo's steps take seconds; at least half of them must be seen."""
READY_SECONDS = 60.0
POD_PORT = 8080


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
    def targets(self) -> Path:
        """The file that names the pods to scrape."""
        return self.folder / "targets.json"

    def watch(self, pods: Sequence[Mapping[str, Any]]) -> None:
        """Scrape the running training pods among `pods` from now on, and no others."""
        fresh = self.targets.with_suffix(".new")
        fresh.write_text(json.dumps(targets_of(pods)))
        fresh.replace(self.targets)

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
        self.watch(())
        written = configuration(access.server, credentials, self.targets)
        # Prometheus reads YAML, and JSON is YAML.
        (self.folder / "prometheus.json").write_text(json.dumps(written, indent=1))
        processes.start(self.service)
        processes.wait_ready(self.service, self._answers, READY_SECONDS)

    def stop(self) -> None:
        """End it; its data stay. The program need not be there any more, or yet."""
        processes.stop(Service("prometheus", self.folder, ()))

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


def configuration(server: str, credentials: dict[str, str], targets: Path) -> dict[str, object]:
    """Prometheus's configuration: every pod that the targets file names, once a second.

    Discovery by file, because distributions ship Prometheus without Kubernetes discovery.
    """
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
                "file_sd_configs": [{"files": [str(targets)]}],
                "relabel_configs": [
                    {"target_label": "__address__", "replacement": server},
                    {"source_labels": ["pod"], "target_label": "instance"},
                ],
            }
        ],
    }


def targets_of(pods: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The running training pods among `pods`, as entries of a targets file."""
    entries = []
    for pod in pods:
        metadata = pod["metadata"]
        labels = metadata.get("labels", {})
        if labels.get(LABEL_STAGE) != "train" or pod["status"].get("phase") != "Running":
            continue
        namespace, name = metadata["namespace"], metadata["name"]
        path = f"/api/v1/namespaces/{namespace}/pods/{name}:{POD_PORT}/proxy/metrics"
        entries.append(
            {
                "targets": [name],
                "labels": {
                    "__metrics_path__": path,
                    "namespace": namespace,
                    "pod": name,
                    "preftrain_job": labels.get(LABEL_JOB, ""),
                    "preftrain_job_uid": labels.get(LABEL_JOB_UID, ""),
                },
            }
        )
    return entries


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
