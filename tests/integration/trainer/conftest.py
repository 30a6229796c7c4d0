"""Stores to write results to: a folder, VersityGW, and moto's server."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from cluster.s3 import S3Server
from preftrain_api.run_spec import RunSpec
from preftrain_trainer.places import opening as places
from preftrain_trainer.places.s3_client import Connection
from preftrain_trainer.places.store import ObjectStore
from preftrain_trainer.workspace import Workspace
from support.trainer_cases import run_spec, workspace


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere to write to, with what a manifest and the Secret's folder say about it."""

    output: dict[str, Any]
    secret: dict[str, str]
    bucket: str = ""

    def keys_in(self, folder: Path) -> None:
        """Lay the Secret out as a pod sees it."""
        for name, value in self.secret.items():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(value)


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision's folder of results, to be opened by any number of pods."""

    place: Place
    run: RunSpec
    tmp_path: Path
    opened: dict[str, ObjectStore] = field(default_factory=dict)

    def workspace(self, pod: str = "pod-1") -> Workspace:
        """A pod's folders."""
        folders = workspace(self.tmp_path / pod, holder=pod)
        self.place.keys_in(folders.secrets / "output")
        return folders

    def store(self, pod: str = "pod-1") -> ObjectStore:
        """The store as that pod opens it, once: making a client takes longer than most tests."""
        if pod not in self.opened:
            self.opened[pod] = places.open_output(self.run, self.workspace(pod), patient=False)
        return self.opened[pod]


def make_bucket(endpoint: str, name: str) -> None:
    boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    ).create_bucket(Bucket=name)


@pytest.fixture
def versity(s3_server: S3Server) -> Place:
    """A bucket of VersityGW."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3_server.make_bucket(name)
    keys = {
        "AWS_ACCESS_KEY_ID": s3_server.access_key,
        "AWS_SECRET_ACCESS_KEY": s3_server.secret_key,
    }
    return Place(_s3(name, s3_server.endpoint), keys, name)


@pytest.fixture(params=["folder", "versity", "moto"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Every kind of place in turn."""
    if request.param == "folder":
        return Place({"uri": f"file://{tmp_path}/published"}, {})
    if request.param == "versity":
        found: Place = request.getfixturevalue("versity")
        return found
    endpoint: str = request.getfixturevalue("moto_endpoint")
    name = f"test-{uuid.uuid4().hex[:12]}"
    make_bucket(endpoint, name)
    keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    return Place(_s3(name, endpoint), keys, name)


def _s3(bucket: str, endpoint: str) -> dict[str, Any]:
    return {
        "uri": f"s3://{bucket}/adapters",
        "secretRef": {"name": "s3-keys"},
        "s3": {"endpoint": endpoint},
    }


@pytest.fixture
def revision(place: Place, tmp_path: Path) -> Revision:
    """An empty revision at such a place."""
    return Revision(place, run_spec(tmp_path, output=place.output), tmp_path)


@pytest.fixture
def without_headers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes S3 servers behave like those that ignore some headers: these never arrive."""

    def apply(*headers: str) -> None:
        connect = Connection._connect

        def strip(request: Any, **_: Any) -> None:
            for header in headers:
                if header in request.headers:
                    del request.headers[header]

        def connected(self: Connection) -> Any:
            made = connect(self)
            made.meta.events.register("before-sign.s3", strip)
            return made

        monkeypatch.setattr(Connection, "_connect", connected)

    return apply
