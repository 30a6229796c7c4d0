"""A revision is published once, whole and verifiable, whoever else wants its place."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from preftrain_api.manifest import Manifest
from preftrain_api.wire import ALLOW_FILE
from preftrain_trainer.errors import ObjectStoreUnavailable, Preempted
from preftrain_trainer.places.store import ANYTHING, Condition
from preftrain_trainer.publishing.claim import CLAIM, take_claim
from preftrain_trainer.publishing.publish import (
    MANIFEST,
    PlaceTaken,
    adopt,
    find_published,
)
from preftrain_trainer.stop import StopRequest
from support.publication import HASH, OTHER_HASH, attempt, results, send, visible
from support.result_place import Place, Revision
from support.trainer_cases import run_spec
from support.wrapped_store import Died, DiesAt, Wrapped

pytestmark = pytest.mark.integration


def test_a_publication_is_whole_and_verifiable(revision: Revision) -> None:
    """The manifest lists every file with its true size and digest, and is found again."""
    store = revision.store()

    artifact = revision.publish()

    assert visible(store) == artifact.digest
    found = store.get(MANIFEST)
    assert found is not None
    manifest = Manifest.parse(json.loads(found[0]), context={ALLOW_FILE: True})
    assert [file.path for file in manifest.files] == [
        "report/metrics.jsonl",
        "adapter/adapter_model.safetensors",
    ]
    for file in manifest.files:
        kept = store.head(file.path)
        assert kept is not None
        assert (kept.size, kept.sha256) == (file.size, file.sha256)
    assert artifact.manifest == store.url(MANIFEST)
    assert adopt(store, HASH) == artifact


@pytest.mark.case(5)
def test_publishing_twice_is_one_publication(revision: Revision) -> None:
    """A retry of the same run adopts what is there."""
    first = revision.publish("pod-1")

    assert revision.publish("pod-2") == first


def test_another_run_does_not_overwrite(revision: Revision) -> None:
    """A revision's place belongs to the run that was published there first."""
    first = revision.publish("pod-1")

    with pytest.raises(PlaceTaken, match="r1 holds another run; raise runRevision") as refusal:
        revision.publish("pod-2", spec_hash=OTHER_HASH)

    assert refusal.value.artifact == first
    assert adopt(revision.store(), HASH) == first


@pytest.mark.fault(9)
def test_a_pod_that_was_overtaken_publishes_nothing(revision: Revision) -> None:
    """Without the claim neither files nor manifest are written."""
    stale = take_claim(revision.store("old"), "old", "ConditionalWrites")
    take_claim(revision.store("new"), "new", "ConditionalWrites")

    with pytest.raises(Preempted):
        send(revision.store("old"), stale, revision.run, results(revision.tmp_path / "old"))

    assert [item.key for item in revision.store().list()] == [CLAIM]


@pytest.mark.parametrize("withheld", [False, True])
def test_a_pod_overtaken_before_the_manifest_publishes_nothing(
    revision: Revision, withheld: bool
) -> None:
    """The claim is asked again between the last file and the manifest."""
    claim = take_claim(revision.store("old"), "old", "ConditionalWrites")

    def overtake() -> None:
        take_claim(revision.store("new"), "new", "ConditionalWrites")

    with pytest.raises(Preempted):
        send(
            revision.store("old"),
            claim,
            revision.run,
            results(revision.tmp_path / "old"),
            withheld=withheld,
            before_manifest=overtake,
        )

    keys = [item.key for item in revision.store().list()]
    assert not [key for key in keys if key.endswith(MANIFEST)]


@pytest.mark.fault(16)
@pytest.mark.case(5)
@pytest.mark.parametrize("after_files", [0, 1, 2])
def test_an_interrupted_publication_is_invisible(revision: Revision, after_files: int) -> None:
    """Asked to end between two uploads, a pod leaves files but no manifest, and a retry wins."""
    stop = StopRequest()
    if not after_files:
        stop.request()
    store = Wrapped(revision.store("pod-1"))
    sent: list[str] = []

    def then_stop(key: str, path: Path, sha256: str, condition: Condition = ANYTHING) -> bool:
        written = revision.store("pod-1").put_file(key, path, sha256, condition)
        sent.append(key)
        if len(sent) == after_files:
            stop.request()
        return written

    store.put_file = then_stop

    with pytest.raises(Preempted):
        attempt(store, "pod-1", revision.run, results(revision.tmp_path / "1"), stop=stop)

    assert len(sent) == after_files
    assert find_published(revision.store()) is None
    assert revision.publish("pod-2") == adopt(revision.store(), HASH)


def test_a_pod_that_is_overtaken_at_the_last_moment_withholds_nothing(folder: Revision) -> None:
    """Between its look at the claim and the write another pod has withheld its own."""
    late = Wrapped(folder.store("old"))
    claim = take_claim(late, "old", "ConditionalWrites")
    by_other: list[Any] = []

    def overtaken(key: str, data: bytes, condition: Condition = ANYTHING) -> bool:
        if key == "withheld/manifest.json":
            store = folder.store("new")
            newer = take_claim(store, "new", "ConditionalWrites")
            left = results(folder.tmp_path / "new", note="newer")
            by_other.append(send(store, newer, folder.run, left, withheld=True))
        return folder.store("old").put(key, data, condition)

    late.put = overtaken
    with pytest.raises(Preempted, match=r"withheld/manifest.json was written meanwhile"):
        send(late, claim, folder.run, results(folder.tmp_path / "old"), withheld=True)

    found = folder.store().get("withheld/manifest.json")
    assert found is not None
    assert f"sha256:{hashlib.sha256(found[0]).hexdigest()}" == by_other[0].digest


@pytest.mark.parametrize("manifest", [7, {}, "", "[]", '{"files": 3}', '{"files": [{}]}'])
def test_a_claim_that_holds_no_manifest_is_told(folder: Revision, manifest: Any) -> None:
    """Somebody has written there; it is neither completed nor a bug of the program."""
    record = {"epoch": 1, "podUid": "pod-1", "manifest": manifest}
    folder.store().put(CLAIM, json.dumps(record).encode())

    with pytest.raises(ObjectStoreUnavailable, match=r"claim\.json .*remove it"):
        adopt(folder.store(), HASH)


def test_a_withheld_adapter_is_kept_apart(revision: Revision) -> None:
    """It lies under withheld/, and the place still counts as free."""
    store = revision.store()
    claim = take_claim(store, "pod-1", "ConditionalWrites")

    artifact = send(store, claim, revision.run, results(revision.tmp_path / "1"), withheld=True)

    keys = {item.key for item in store.list()}
    assert artifact.uri.endswith("/r1/withheld")
    assert "withheld/manifest.json" in keys
    assert "withheld/adapter/adapter_model.safetensors" in keys
    assert adopt(store, HASH) is None


def test_a_store_without_conditions_still_refuses_another_run(
    versity: Place, tmp_path: Path, without_headers: Callable[..., None]
) -> None:
    """Where the server cannot help, a look before the manifest is written does."""
    without_headers("If-None-Match", "If-Match")
    revision = Revision(versity, run_spec(tmp_path, output=versity.output), tmp_path)
    late = take_claim(revision.store(), "late", "None")
    first = revision.publish("pod-1", fencing="None")

    with pytest.raises(PlaceTaken):
        revision.publish("pod-2", fencing="None", spec_hash=OTHER_HASH)
    with pytest.raises(Preempted):
        send(revision.store(), late, revision.run, results(tmp_path / "late"), fencing="None")

    assert visible(revision.store()) == first.digest


def test_without_conditions_a_manifest_that_came_last_moment_is_respected(
    folder: Revision,
) -> None:
    """The last look is right before the write."""
    store = folder.store()
    claim = take_claim(store, "pod-1", "None")

    def others_publish() -> None:
        store.put(MANIFEST, json.dumps({"specHash": OTHER_HASH}).encode())

    with pytest.raises(PlaceTaken):
        send(
            store,
            claim,
            folder.run,
            results(folder.tmp_path / "1"),
            fencing="None",
            before_manifest=others_publish,
        )


@pytest.mark.parametrize("content", [b"hands off", b"[]"])
def test_what_is_no_manifest_is_another_run(revision: Revision, content: bytes) -> None:
    """A file of somebody else under the manifest's name is never overwritten."""
    revision.store().put(MANIFEST, content)

    with pytest.raises(PlaceTaken):
        adopt(revision.store(), HASH)


def test_a_decided_publication_is_completed_by_the_next_attempt(revision: Revision) -> None:
    """A pod that dies between decision and manifest has done all the work already."""
    store = DiesAt(revision.store("pod-1"), MANIFEST)
    with pytest.raises(Died):
        attempt(store, "pod-1", revision.run, results(revision.tmp_path / "1"))
    assert visible(revision.store()) is None

    adopted = adopt(revision.store("pod-2"), HASH)

    assert adopted is not None
    assert visible(revision.store()) == adopted.digest


def test_a_decided_publication_refuses_another_run(folder: Revision) -> None:
    """It counts as published, because anybody may complete it."""
    with pytest.raises(Died):
        attempt(
            DiesAt(folder.store(), MANIFEST), "pod-1", folder.run, results(folder.tmp_path / "1")
        )

    with pytest.raises(PlaceTaken):
        adopt(folder.store(), OTHER_HASH)


def test_a_place_that_was_emptied_is_free_again(folder: Revision) -> None:
    """Who deletes adapter and manifest may run again, although the claim was left."""
    folder.publish("pod-1")
    store = folder.store()
    store.delete(MANIFEST)
    store.delete("adapter/adapter_model.safetensors")

    assert adopt(store, OTHER_HASH) is None
    again = folder.publish("pod-2", spec_hash=OTHER_HASH)

    assert visible(store) == again.digest


def test_a_manifest_that_was_deleted_alone_comes_back(folder: Revision) -> None:
    """The claim still holds it, and its files are whole."""
    first = folder.publish("pod-1")
    folder.store().delete(MANIFEST)

    assert folder.publish("pod-2") == first
