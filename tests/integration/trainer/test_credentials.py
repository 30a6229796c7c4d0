"""Keys that change while a run goes on: read again when they are refused, and never shown."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cluster.ports import free_port
from cluster.s3 import S3Server
from preftrain_trainer.errors import ObjectStoreUnavailable
from preftrain_trainer.places.ref import PlaceRef
from preftrain_trainer.places.retry import QUICK, Retry
from preftrain_trainer.places.s3 import Bucket
from preftrain_trainer.places.s3_client import Connection
from preftrain_trainer.places.store import ABSENT
from support.fault_proxy import Fault, Rule
from support.publication import attempt, results, visible
from support.s3_worlds import BUCKET, S3World, place_of
from support.trainer_cases import run_spec

pytestmark = pytest.mark.integration


class MountedSecret:
    """A Secret as the kubelet mounts it: links to a folder that is replaced as a whole."""

    def __init__(self, folder: Path, **keys: str) -> None:
        self.folder = folder
        self._version = 0
        folder.mkdir()
        self.rotate(**keys)
        for key in keys:
            (folder / key).symlink_to(f"..data/{key}")

    def rotate(self, **keys: str) -> None:
        self._version += 1
        version = self.folder / f"..{self._version}"
        version.mkdir()
        for key, value in keys.items():
            (version / key).write_text(value + "\n")
        new = self.folder / "..data_tmp"
        new.symlink_to(version.name)
        new.rename(self.folder / "..data")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    """A server whose key a test may change."""
    server = S3Server(tmp_path / "s3", port=free_port(), secret_key="old", dies_with_starter=True)
    server.start()
    server.make_bucket(BUCKET)
    yield server
    server.stop()


def opened(place: PlaceRef, secrets: Path) -> Bucket:
    return Bucket(place, Connection(place, secrets, QUICK), "run", Retry(QUICK))


@pytest.mark.fault(17)
def test_a_key_that_is_rotated_during_a_run_is_read_again(
    server: S3Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The old one is refused, the mounted one taken, and the publication completes."""
    caplog.set_level(logging.DEBUG, "preftrain")
    user = {"AWS_ACCESS_KEY_ID": server.access_key}
    secret = MountedSecret(tmp_path / "secret", **user, AWS_SECRET_ACCESS_KEY="old")
    store = opened(place_of(server.endpoint), secret.folder)
    assert store.put("before", b"1", ABSENT)

    server.stop()
    replace(server, secret_key="new-key-of-today").start()
    secret.rotate(**user, AWS_SECRET_ACCESS_KEY="new-key-of-today")
    artifact = attempt(store, "pod-1", run_spec(tmp_path), results(tmp_path / "pod"))

    assert visible(store) == artifact.digest
    assert "new-key-of-today" not in caplog.text


@pytest.mark.fault(17)
def test_a_key_that_nobody_replaced_is_told(server: S3Server, tmp_path: Path) -> None:
    """The message names the Secret, and holds no key."""
    user = {"AWS_ACCESS_KEY_ID": server.access_key}
    secret = MountedSecret(tmp_path / "secret", **user, AWS_SECRET_ACCESS_KEY="wr0ng")

    with pytest.raises(
        ObjectStoreUnavailable, match=r"check output\.secretRef \(s3-keys\)"
    ) as told:
        opened(place_of(server.endpoint), secret.folder).get("x")

    assert "wr0ng" not in str(told.value)


def test_a_secret_that_lost_a_key_is_told(moto_world: S3World, tmp_path: Path) -> None:
    """Also when that is found out in the middle of a run."""
    secret = MountedSecret(tmp_path / "s", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    store = opened(moto_world.place, secret.folder)
    secret.rotate(AWS_ACCESS_KEY_ID="a")
    moto_world.proxy.plan(Rule(Fault("Answer", 403, "InvalidAccessKeyId")))

    with pytest.raises(ObjectStoreUnavailable, match="has no key AWS_SECRET_ACCESS_KEY; add it"):
        store.get("x")


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    "denial", [Fault("Answer", 400, "ExpiredToken"), Fault("Answer", 403, "AccessDenied")]
)
def test_an_expired_token_is_replaced(moto_world: S3World, tmp_path: Path, denial: Fault) -> None:
    """Session tokens come from the Secret too, and change with it."""
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    secret = MountedSecret(tmp_path / "secret", **keys, AWS_SESSION_TOKEN="first")
    connection = Connection(moto_world.place, secret.folder, QUICK)
    store = Bucket(moto_world.place, connection, moto_world.prefix(), Retry(QUICK))
    assert tokens_sent(connection, store) == ["first"]

    secret.rotate(**keys, AWS_SESSION_TOKEN="second")
    moto_world.proxy.plan(Rule(denial))
    assert store.put("x", b"1", ABSENT)

    assert tokens_sent(connection, store) == ["second"]


def tokens_sent(connection: Connection, store: Bucket) -> list[str]:
    """The session tokens of the requests of one look."""
    sent: list[str] = []

    def note(request: Any, **_: Any) -> None:
        token = request.headers["X-Amz-Security-Token"]
        sent.append(token.decode() if isinstance(token, bytes) else token)

    connection.client.meta.events.register("before-send.s3", note)
    store.head("x")
    return sent


def test_a_profile_that_does_not_exist_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the variable."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    with pytest.raises(ObjectStoreUnavailable, match="correct AWS_PROFILE, or unset it"):
        Connection(place_of("http://127.0.0.1:1"), tmp_path / "none", QUICK)
