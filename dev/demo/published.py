"""What a run has published: its folder in S3, fetched, listed and held against the manifest.

Reads only; knows nothing about training or about Kubernetes.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from preftrain_api.manifest import Manifest

MANIFEST = "manifest.json"
State = Literal["verified", "missing", "wrong size", "wrong sha256", "unlisted"]


class PublishedError(Exception):
    """The run's folder cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file of the run's folder, or one that the manifest promises."""

    path: str
    size: int
    """Bytes, as stored."""
    state: State
    """`unlisted` files, such as checkpoints, are none of the manifest's business."""

    @property
    def broken(self) -> bool:
        """Whether the file contradicts the manifest."""
        return self.state not in ("verified", "unlisted")


def fetch(uri: str, endpoint: str | None, folder: Path) -> None:
    """Copy everything under `s3://bucket/prefix` into `folder`.

    Credentials come from the usual AWS variables.

    Raises:
        PublishedError: nothing is there, or the store cannot be read.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    prefix = prefix.rstrip("/") + "/"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=os.environ.get("AWS_REGION", "us-east-1"),
        config=Config(
            s3={"addressing_style": "path" if endpoint else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    try:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        for key in keys:
            inner = Path(key.removeprefix(prefix))
            # A key may hold anything; here it becomes a path, which must stay in the folder.
            if key.endswith("/") or inner.is_absolute() or ".." in inner.parts:
                continue
            target = folder / inner
            target.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, key, str(target))
    except (BotoCoreError, ClientError) as error:
        raise PublishedError(f"{uri} cannot be read: {error}") from error
    if not keys:
        raise PublishedError(f"{uri} is empty: the run has published nothing.")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a run's folder.

    Raises:
        PublishedError: there is none, so nothing has been published.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise PublishedError(f"There is no {MANIFEST}: the run has not published an adapter.")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise PublishedError(f"{MANIFEST} is not a manifest of this version: {error}") from error


def inspect(folder: Path, manifest: Manifest) -> tuple[ListedFile, ...]:
    """Every stored file and every promised one, with its size and digest checked."""
    stored = {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
    }
    promised = {file.path: file for file in manifest.files}
    listed: list[ListedFile] = []
    for name in sorted(stored.keys() | promised.keys()):
        if name not in stored:
            listed.append(ListedFile(name, 0, "missing"))
            continue
        size = stored[name].stat().st_size
        state: State = "verified"
        if name not in promised:
            state = "unlisted"
        elif size != promised[name].size:
            state = "wrong size"
        elif sha256_of(stored[name]) != promised[name].sha256:
            state = "wrong sha256"
        listed.append(ListedFile(name, size, state))
    return tuple(listed)


def adapter_folder(folder: Path, manifest: Manifest) -> Path:
    """Where the published adapter lies in the run's folder.

    Raises:
        PublishedError: the manifest lists no adapter.
    """
    for file in manifest.files:
        if Path(file.path).name == "adapter_config.json":
            return folder / Path(file.path).parent
    raise PublishedError(f"{MANIFEST} lists no adapter_config.json: there is no adapter.")


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
