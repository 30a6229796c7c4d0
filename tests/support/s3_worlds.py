"""Two real S3 servers, each with a fault proxy before it and two ways to its one bucket."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pytest

from cluster.s3 import S3Server
from preftrain_api.run_spec import RunSpec
from preftrain_trainer.places.ref import PlaceRef
from preftrain_trainer.places.retry import Patience, Retry
from preftrain_trainer.places.s3 import Bucket
from preftrain_trainer.places.s3_client import Connection
from support.fault_proxy import FaultProxy
from support.trainer_cases import run_spec

BUCKET = "faults"
OUTAGE_SECONDS = 5.0
"""How long an operation is repeated, by a clock that only pauses move."""


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@dataclass(frozen=True, slots=True)
class S3World:
    """A server and the ways to it.

    Attributes:
        name: which server it is.
        proxy: stands before it.
        run: a run that publishes there.
        place: the run's output, as reached through the proxy.
        secrets: folder of the place's Secret.
        part_bytes: the smallest parts that the server takes.
        direct: a connection that nothing disturbs.
    """

    name: str
    proxy: FaultProxy
    run: RunSpec
    place: PlaceRef
    secrets: Path
    part_bytes: int
    direct: Connection
    connections: dict[float, Connection] = field(default_factory=dict)
    _cases: Iterator[int] = field(default_factory=itertools.count)

    def prefix(self) -> str:
        """A folder of the bucket that no other case uses."""
        return f"case-{next(self._cases)}"

    def model(self) -> bytes:
        """An adapter that takes two parts."""
        return b"tensors!" * (self.part_bytes // 8) + b"and a second part"

    def disturbed(
        self, prefix: str, read_seconds: float = 10.0, clock: Clock | None = None
    ) -> Bucket:
        """The store through the proxy; every request is the library's only one."""
        patience = Patience(attempts=1, read_seconds=read_seconds, outage_seconds=OUTAGE_SECONDS)
        if read_seconds not in self.connections:  # making a client takes longer than a test
            self.connections[read_seconds] = Connection(self.place, self.secrets, patience)
        time = clock or Clock()
        retry = Retry(patience, clock=time, sleep=time.sleep, chance=lambda: 0.5)
        return Bucket(self.place, self.connections[read_seconds], prefix, retry, self.part_bytes)

    def undisturbed(self, prefix: str) -> Bucket:
        """The store as the next attempt finds it."""
        patience = Patience(attempts=3, read_seconds=10, outage_seconds=OUTAGE_SECONDS)
        return Bucket(self.place, self.direct, prefix, Retry(patience), self.part_bytes)

    def unfinished(self, prefix: str) -> list[str]:
        """Keys of multipart uploads that were neither completed nor aborted."""
        answer = self.direct.client.list_multipart_uploads(Bucket=BUCKET)
        keys = [upload["Key"] for upload in answer.get("Uploads", ())]
        return [key for key in keys if key.startswith(f"{prefix}/")]


@pytest.fixture(scope="session")
def versity_world(
    s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3World]:
    """VersityGW, which takes no part below 5 MiB but the last."""
    s3_server.make_bucket(BUCKET)
    keys = {
        "AWS_ACCESS_KEY_ID": s3_server.access_key,
        "AWS_SECRET_ACCESS_KEY": s3_server.secret_key,
    }
    folder = tmp_path_factory.mktemp("versity-world")
    yield from _world("VersityGW", s3_server.endpoint, keys, folder, 5 * 1024 * 1024)


@pytest.fixture(scope="session")
def moto_world(moto_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3World]:
    """Moto's server, which takes parts of any size here."""
    keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    folder = tmp_path_factory.mktemp("moto-world")
    boto3.client(
        "s3",
        "us-east-1",
        endpoint_url=moto_endpoint,
        aws_access_key_id="any",
        aws_secret_access_key="any",
    ).create_bucket(Bucket=BUCKET)
    yield from _world("moto", moto_endpoint, keys, folder, 1024)


@pytest.fixture(params=["versity", "moto"])
def s3_world(request: pytest.FixtureRequest) -> S3World:
    """Each server in turn, undisturbed at first."""
    world: S3World = request.getfixturevalue(f"{request.param}_world")
    world.proxy.plan()
    world.proxy.watch = lambda step, method, path: None
    return world


def place_of(endpoint: str) -> PlaceRef:
    """The bucket as an output that is reached at `endpoint`."""
    output = {
        "uri": f"s3://{BUCKET}",
        "secretRef": {"name": "s3-keys"},
        "s3": {"endpoint": endpoint},
    }
    found = run_spec(Path(), output=output).spec.output
    return PlaceRef.of("output", found.uri, found)


def _world(
    name: str, endpoint: str, keys: dict[str, str], folder: Path, part_bytes: int
) -> Iterator[S3World]:
    secrets = folder / "secrets"
    secrets.mkdir()
    for key, value in keys.items():
        (secrets / key).write_text(value)
    patience = Patience(attempts=3, read_seconds=10, outage_seconds=OUTAGE_SECONDS)
    direct = Connection(place_of(endpoint), secrets, patience)
    with FaultProxy(endpoint).running() as proxy:
        place = place_of(proxy.endpoint)
        yield S3World(name, proxy, run_spec(folder), place, secrets, part_bytes, direct)
