"""Fixtures of a real S3 server: one for each test process, one bucket for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.s3 import S3Server


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of one test.

    Attributes:
        name: the bucket.
        endpoint: the server's URL.
        access_key: the user's name.
        secret_key: the user's secret.
        folder: where its objects lie as files.
    """

    name: str
    endpoint: str
    access_key: str
    secret_key: str
    folder: Path

    @property
    def uri(self) -> str:
        """The bucket as a place."""
        return f"s3://{self.name}"

    @property
    def env(self) -> dict[str, str]:
        """What S3 clients read from the environment."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_REGION": "us-east-1",
        }


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server on loopback."""
    server = S3Server(tmp_path_factory.mktemp("s3"), dies_with_starter=True)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    """An empty bucket of the test's own."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3_server.make_bucket(name)
    return Bucket(
        name,
        s3_server.endpoint,
        s3_server.access_key,
        s3_server.secret_key,
        s3_server.data / name,
    )
