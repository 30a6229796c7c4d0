"""Stores to write results to: a folder, VersityGW, and moto's server."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from cluster.s3 import S3Server
from preftrain_trainer.places.s3_client import Connection
from support.result_place import Place, Revision
from support.trainer_cases import run_spec
from support.trainer_pod import Pod


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


@pytest.fixture
def pod(tmp_path: Path, versity: Place) -> Pod:
    """Small model and data on volumes, output in a bucket of VersityGW."""
    return Pod(tmp_path, versity)


@pytest.fixture
def folder(tmp_path: Path) -> Revision:
    """A revision in a folder, where nothing is slow."""
    output = {"uri": f"file://{tmp_path}/published"}
    return Revision(Place(output, {}), run_spec(tmp_path, output=output), tmp_path)
