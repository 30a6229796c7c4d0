"""The demo reads a run's folder back from a real S3 server."""

from pathlib import Path

import boto3
import pytest

from demo.published import PublishedError, fetch
from support.s3_server import Bucket

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def credentials(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in bucket.env.items():
        monkeypatch.setenv(name, value)


def test_everything_under_the_run_is_fetched_and_nothing_else(
    bucket: Bucket, tmp_path: Path
) -> None:
    """Neighbours whose names begin alike stay away."""
    client = boto3.client("s3", endpoint_url=bucket.endpoint)
    for key in ("out/r1/manifest.json", "out/r1/adapter/a.bin", "out/r10/manifest.json"):
        client.put_object(Bucket=bucket.name, Key=key, Body=key.encode())
    fetch(f"{bucket.uri}/out/r1", bucket.endpoint, tmp_path)
    fetched = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert fetched == {"manifest.json", "adapter/a.bin"}
    assert (tmp_path / "adapter/a.bin").read_bytes() == b"out/r1/adapter/a.bin"


@pytest.mark.parametrize("leads", ["up", "to the root", "up again"])
def test_keys_that_would_leave_the_folder_are_left_alone(
    moto_endpoint: str, tmp_path: Path, leads: str
) -> None:
    """A key may hold anything, and becomes a path here."""
    outside = tmp_path / "outside.txt"
    inner = {"up": "../outside.txt", "to the root": str(outside), "up again": "a/../../outside.txt"}
    client = boto3.client("s3", endpoint_url=moto_endpoint)
    client.create_bucket(Bucket="runs")
    for key in ("manifest.json", inner[leads]):
        client.put_object(Bucket="runs", Key=f"r1/{key}", Body=b"{}")
    fetch("s3://runs/r1", moto_endpoint, tmp_path / "folder")
    assert not outside.exists()
    assert (tmp_path / "folder" / "manifest.json").exists()


def test_an_empty_place_is_reported(bucket: Bucket, tmp_path: Path) -> None:
    """Nothing published is one sentence."""
    with pytest.raises(PublishedError, match="has published nothing"):
        fetch(f"{bucket.uri}/out/r1", bucket.endpoint, tmp_path)


def test_a_missing_bucket_is_reported(bucket: Bucket, tmp_path: Path) -> None:
    """The place is named together with what the store said."""
    with pytest.raises(PublishedError, match="s3://no-such-bucket/out cannot be read"):
        fetch("s3://no-such-bucket/out", bucket.endpoint, tmp_path)
