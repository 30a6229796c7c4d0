"""What stands beside the cluster in the demo: an S3 server with its content, and Prometheus.

Both are supervised processes of this machine; their state lies next to the cluster's.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.backend import Backend
from cluster.paths import cluster_dir
from cluster.ports import free_port
from cluster.s3 import S3Server
from demo.model import fetch_model
from demo.pairs import write_pairs
from demo.prometheus import Prometheus

BUCKET = "preftrain-demo"
MODEL_KEY = "models/SmolLM2-135M-Instruct"
PAIRS_KEY = "pairs"


@dataclass(frozen=True, slots=True)
class Stack:
    """The demo's servers."""

    s3: S3Server
    prometheus: Prometheus

    @classmethod
    def of(cls, cluster: Backend) -> Stack:
        """The stack that belongs to a cluster; its ports and keys survive between calls."""
        folder = state_folder()
        folder.mkdir(parents=True, exist_ok=True)
        return cls(
            s3=S3Server(
                folder=folder / "s3",
                port=_port(folder / "s3.port"),
                address=cluster.host_address,
                secret_key=_secret(folder / "s3.key"),
            ),
            prometheus=Prometheus(
                folder=folder / "prometheus",
                kubeconfig=cluster.kubeconfig,
                port=_port(folder / "prometheus.port"),
            ),
        )

    @property
    def secret(self) -> Mapping[str, str]:
        """Content of the Secret that the demo's job refers to."""
        return {
            "AWS_ACCESS_KEY_ID": self.s3.access_key,
            "AWS_SECRET_ACCESS_KEY": self.s3.secret_key,
        }

    def start(self) -> None:
        """Start what does not run."""
        self.s3.start()
        self.prometheus.start()

    def fill(self) -> Path:
        """Put the base model and the pairs into the bucket; the model's local folder."""
        self.s3.make_bucket(BUCKET)
        bucket = self.s3.data / BUCKET
        base = fetch_model()
        # The server's objects are files in a folder, so copying is uploading.
        shutil.copytree(base, bucket / MODEL_KEY, dirs_exist_ok=True)
        write_pairs(bucket / PAIRS_KEY)
        # A demo trains anew each time; adopting yesterday's adapter would show nothing.
        shutil.rmtree(bucket / "adapters", ignore_errors=True)
        return base

    def lend_credentials(self) -> None:
        """Let S3 clients of this process use the server's keys."""
        os.environ.update(self.secret)
        os.environ["AWS_DEFAULT_REGION"] = "us-east-1"


def state_folder() -> Path:
    """Where both servers keep what they know, beside the cluster's folder."""
    return cluster_dir().with_name(cluster_dir().name + "-demo")


def end_servers() -> None:
    """End both servers and remove their state.

    Needs nothing but the folder: whatever a demo that was cut off had not made yet, no cluster
    is asked for an address, and no program is installed in order to be ended.
    """
    folder = state_folder()
    Prometheus(folder / "prometheus", kubeconfig=Path(), port=0).stop()
    S3Server(folder / "s3", port=0).stop()
    shutil.rmtree(folder, ignore_errors=True)


def _port(path: Path) -> int:
    return int(_kept(path, lambda: str(free_port())))


def _secret(path: Path) -> str:
    return _kept(path, lambda: secrets.token_hex(16))


def _kept(path: Path, make: Callable[[], str]) -> str:
    """The file's text, made once; for its owner's eyes, and never half written."""
    if not path.exists():
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text(make())
        fresh.replace(path)
    return path.read_text()
