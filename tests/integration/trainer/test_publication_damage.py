"""Files that arrive damaged, late or never are found before a manifest lists them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from preftrain_trainer.errors import ObjectStoreUnavailable
from preftrain_trainer.places.store import ANYTHING, Condition
from preftrain_trainer.publishing.claim import take_claim
from support.fault_proxy import Fault, Rule
from support.publication import attempt, results, send, visible
from support.result_place import Place, Revision
from support.s3_worlds import S3World
from support.trainer_cases import run_spec
from support.wrapped_store import Wrapped

pytestmark = pytest.mark.integration


def test_a_file_that_another_pod_wrote_meanwhile_is_replaced(folder: Revision) -> None:
    """A late upload of an overtaken pod is no reason to fail."""
    store = Wrapped(folder.store())
    late = iter([True])

    def overtaken_pod_first(
        key: str, path: Path, sha256: str, condition: Condition = ANYTHING
    ) -> bool:
        if next(late, False):
            folder.store().put(key, b"late")
        return folder.store().put_file(key, path, sha256, condition)

    store.put_file = overtaken_pod_first

    artifact = attempt(store, "pod-1", folder.run, results(folder.tmp_path / "1"))

    assert visible(folder.store()) == artifact.digest


def test_a_file_that_never_arrives_ends_the_publication(folder: Revision) -> None:
    """The message names the file and where to look."""
    store = Wrapped(folder.store())
    store.put_file = lambda *_: True

    with pytest.raises(ObjectStoreUnavailable, match=r"metrics.jsonl did not arrive as it was"):
        attempt(store, "pod-1", folder.run, results(folder.tmp_path / "1"))


def test_a_manifest_that_comes_and_goes_is_somebody_elses_doing(folder: Revision) -> None:
    """The message says what to keep others from."""
    store = Wrapped(folder.store())
    claim = take_claim(store, "pod-1", "None")

    def refuse(key: str, data: bytes, condition: Condition = ANYTHING) -> bool:
        return False

    store.put = refuse

    with pytest.raises(ObjectStoreUnavailable, match="was there and vanished"):
        send(store, claim, folder.run, results(folder.tmp_path / "1"), fencing="None")


def test_a_store_that_drops_metadata_is_read_back(
    versity: Place, tmp_path: Path, without_headers: Callable[..., None]
) -> None:
    """Without the digest beside the object its content is what counts."""
    without_headers("x-amz-meta-sha256")
    revision = Revision(versity, run_spec(tmp_path, output=versity.output), tmp_path)

    artifact = revision.publish()

    found = revision.store().head("adapter/adapter_model.safetensors")
    assert found is not None
    assert found.sha256 is None
    assert visible(revision.store()) == artifact.digest


def test_damage_that_no_server_noticed_is_found_by_reading_back(
    moto_world: S3World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where metadata are dropped nothing but the content is trusted."""
    from preftrain_trainer.places.s3 import Bucket

    head = Bucket.head

    def without_digest(self: Bucket, key: str) -> Any:
        found = head(self, key)
        return found and type(found)(found.key, found.size, found.tag)

    monkeypatch.setattr(Bucket, "head", without_digest)
    moto_world.proxy.plan(Rule(Fault("DamageRequest"), method="PUT", path="metrics.jsonl"))
    prefix = moto_world.prefix()

    artifact = attempt(
        moto_world.disturbed(prefix), "pod-1", moto_world.run, results(tmp_path / "1")
    )

    assert len(moto_world.proxy.hit) == 1
    assert visible(moto_world.undisturbed(prefix)) == artifact.digest
