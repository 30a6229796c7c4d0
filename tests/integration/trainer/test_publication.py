"""A revision is published once, by the pod that holds its claim, whole and verifiable."""

import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from preftrain_api.manifest import Manifest
from preftrain_api.wire import ALLOW_FILE
from preftrain_trainer.errors import ObjectStoreUnavailable, Preempted
from preftrain_trainer.places.store import ANYTHING, Condition, ObjectStore
from preftrain_trainer.publishing.claim import CLAIM, Claim, read_claim, take_claim
from preftrain_trainer.publishing.publish import (
    MANIFEST,
    PlaceTaken,
    adopt,
    find_published,
)
from preftrain_trainer.stop import StopRequest
from support.fault_proxy import Fault, Rule
from support.publication import HASH, OTHER_HASH, attempt, results, send, visible
from support.s3_worlds import S3World
from support.trainer_cases import run_spec

from .conftest import Place, Revision

pytestmark = pytest.mark.integration


@pytest.fixture
def folder(tmp_path: Path) -> Revision:
    """A revision in a folder, where nothing is slow."""
    output = {"uri": f"file://{tmp_path}/published"}
    return Revision(Place(output, {}), run_spec(tmp_path, output=output), tmp_path)


def publish(revision: Revision, pod: str = "pod-1", **how: Any) -> Any:
    """What an attempt of `pod` does."""
    left = results(revision.workspace(pod).work)
    return attempt(revision.store(pod), pod, revision.run, left, **how)


def test_a_later_pod_takes_the_claim_over(revision: Revision) -> None:
    """The earlier pod notices at its next check and ends with 75."""
    first = take_claim(revision.store("old"), "old", "ConditionalWrites")
    first.check()

    second = take_claim(revision.store("new"), "new", "ConditionalWrites")

    second.check()
    assert second.epoch == first.epoch + 1
    with pytest.raises(Preempted, match="taken over by a later pod"):
        first.check()


def test_a_pod_that_asks_again_keeps_its_claim(revision: Revision) -> None:
    """A write whose answer was lost does not lock its own writer out."""
    first = take_claim(revision.store(), "pod", "ConditionalWrites")

    assert take_claim(revision.store(), "pod", "ConditionalWrites").epoch == first.epoch
    first.check()


def test_of_many_pods_exactly_one_holds_the_claim(revision: Revision) -> None:
    """Whatever the schedule, epochs differ and only the newest passes its check."""
    claims: list[Claim] = []

    def compete(pod: str) -> None:
        claims.append(take_claim(revision.store(pod), pod, "ConditionalWrites"))

    threads = [threading.Thread(target=compete, args=(f"pod-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(claim.epoch for claim in claims) == [1, 2, 3, 4]
    newest = max(claims, key=lambda claim: claim.epoch)
    newest.check()
    for claim in claims:
        if claim is not newest:
            with pytest.raises(Preempted):
                claim.check()


def test_a_publication_is_whole_and_verifiable(revision: Revision) -> None:
    """The manifest lists every file with its true size and digest, and is found again."""
    store = revision.store()

    artifact = publish(revision)

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
    first = publish(revision, "pod-1")

    assert publish(revision, "pod-2") == first


def test_another_run_does_not_overwrite(revision: Revision) -> None:
    """A revision's place belongs to the run that was published there first."""
    first = publish(revision, "pod-1")

    with pytest.raises(PlaceTaken, match="r1 holds another run; raise runRevision") as refusal:
        publish(revision, "pod-2", spec_hash=OTHER_HASH)

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
    assert publish(revision, "pod-2") == adopt(revision.store(), HASH)


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
    first = publish(revision, "pod-1", fencing="None")

    with pytest.raises(PlaceTaken):
        publish(revision, "pod-2", fencing="None", spec_hash=OTHER_HASH)
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


def test_a_decided_publication_is_not_taken_over(folder: Revision) -> None:
    """Whoever comes meanwhile ends with 75 and finds it with the next attempt."""
    overtaken = take_claim(folder.store(), "pod-1", "ConditionalWrites")
    with pytest.raises(Died):
        attempt(
            DiesAt(folder.store(), MANIFEST), "pod-2", folder.run, results(folder.tmp_path / "2")
        )

    with pytest.raises(Preempted, match="pod-2 has published meanwhile"):
        take_claim(folder.store(), "pod-3", "ConditionalWrites")
    with pytest.raises(Preempted, match="taken over"):
        overtaken.seal("another manifest")


def test_deciding_twice_is_deciding_once(folder: Revision) -> None:
    """The same manifest again is no harm, another one is refused."""
    claim = take_claim(folder.store(), "pod-1", "ConditionalWrites")

    claim.seal("{}")
    claim.seal("{}")

    with pytest.raises(Preempted, match="has published meanwhile"):
        claim.seal("[]")


def test_a_place_that_was_emptied_is_free_again(folder: Revision) -> None:
    """Who deletes adapter and manifest may run again, although the claim was left."""
    publish(folder, "pod-1")
    store = folder.store()
    store.delete(MANIFEST)
    store.delete("adapter/adapter_model.safetensors")

    assert adopt(store, OTHER_HASH) is None
    again = publish(folder, "pod-2", spec_hash=OTHER_HASH)

    assert visible(store) == again.digest


def test_a_manifest_that_was_deleted_alone_comes_back(folder: Revision) -> None:
    """The claim still holds it, and its files are whole."""
    first = publish(folder, "pod-1")
    folder.store().delete(MANIFEST)

    assert publish(folder, "pod-2") == first


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


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"epoch": "x", "podUid": "p"}'])
def test_what_is_no_claim_is_left_alone(folder: Revision, content: bytes) -> None:
    """The message names the file and the way out."""
    folder.store().put(CLAIM, content)

    with pytest.raises(ObjectStoreUnavailable, match="is not a claim of preftrain; remove it"):
        take_claim(folder.store(), "pod-1", "ConditionalWrites")


def test_a_claim_that_others_keep_taking_is_given_up(folder: Revision) -> None:
    """Nobody waits for ever for a place that others fight for."""
    claim = take_claim(folder.store(), "pod-1", "ConditionalWrites")
    store = Wrapped(folder.store())

    def beaten(key: str, data: bytes, condition: Condition = ANYTHING) -> bool:
        return False

    store.put = beaten

    with pytest.raises(ObjectStoreUnavailable, match="changes hands faster"):
        take_claim(store, "pod-2", "ConditionalWrites")
    with pytest.raises(ObjectStoreUnavailable, match="changes hands faster"):
        Claim(store, claim.epoch, claim.holder).seal("{}")


def test_a_store_that_drops_metadata_is_read_back(
    versity: Place, tmp_path: Path, without_headers: Callable[..., None]
) -> None:
    """Without the digest beside the object its content is what counts."""
    without_headers("x-amz-meta-sha256")
    revision = Revision(versity, run_spec(tmp_path, output=versity.output), tmp_path)

    artifact = publish(revision)

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


def test_a_claim_says_what_was_decided(folder: Revision) -> None:
    """The manifest stands in it byte for byte."""
    publish(folder, "pod-1")

    found, manifest = read_claim(folder.store()), folder.store().get(MANIFEST)

    assert found is not None
    assert manifest is not None
    assert found[0].manifest == manifest[0].decode()


class Died(Exception):
    """The pod is gone."""


class Wrapped:
    """A store some of whose methods a test replaces."""

    def __init__(self, store: ObjectStore) -> None:
        self.url, self.get, self.head, self.digest = store.url, store.get, store.head, store.digest
        self.list, self.delete, self.fetch = store.list, store.delete, store.fetch
        self.put: Callable[..., bool] = store.put
        self.put_file: Callable[..., bool] = store.put_file
        self.discard_unfinished = store.discard_unfinished


class DiesAt(Wrapped):
    """A pod that is gone when it comes to write one object."""

    def __init__(self, store: ObjectStore, key: str) -> None:
        super().__init__(store)

        def put(at: str, data: bytes, condition: Condition = ANYTHING) -> bool:
            if at == key:
                raise Died
            return store.put(at, data, condition)

        self.put = put
