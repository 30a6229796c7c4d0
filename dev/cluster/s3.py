"""A real S3 server on loopback: VersityGW, whose objects are files in a folder."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path

from cluster import processes
from cluster.builder import program
from cluster.ports import free_port
from cluster.processes import Service

READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class S3Server:
    """One server, its files in one folder.

    Attributes:
        folder: takes the pid file, the log and the buckets.
        port: where it listens.
        address: an address of this machine; pods reach the one of the node's bridge.
        access_key: the only user's name.
        secret_key: the only user's secret.
        dies_with_starter: for tests; see `cluster.processes.Service`.
    """

    folder: Path
    port: int = field(default_factory=free_port)
    address: str = "127.0.0.1"
    access_key: str = "preftrain"
    secret_key: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    dies_with_starter: bool = False

    @property
    def endpoint(self) -> str:
        """The URL that clients are given."""
        return f"http://{self.address}:{self.port}"

    @property
    def data(self) -> Path:
        """The folder that holds a folder a bucket."""
        return self.folder / "buckets"

    @property
    def service(self) -> Service:
        """The supervised process, to look at or to end."""
        return Service("versitygw", self.folder, ())

    def start(self) -> None:
        """Start it unless it runs, and wait until it takes connections."""
        self.data.mkdir(parents=True, exist_ok=True)
        listen = f"{self.address}:{self.port}"
        processes.start(
            Service(
                "versitygw",
                self.folder,
                [str(program("versitygw")), "--port", listen, "posix", str(self.data)],
                env={"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key},
                dies_with_starter=self.dies_with_starter,
            )
        )
        processes.wait_ready(self.service, self._accepts, READY_SECONDS)

    def stop(self) -> None:
        """End it; the buckets stay."""
        processes.stop(self.service, grace_seconds=5)

    def make_bucket(self, name: str) -> None:
        """Make a bucket, as a folder: no S3 client is needed for that."""
        (self.data / name).mkdir(parents=True, exist_ok=True)

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((self.address, self.port)) == 0
