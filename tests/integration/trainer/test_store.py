"""Stores of every kind keep the same promises: whole objects, conditions, claim, publication."""

import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from preftrain_api.manifest import Manifest, ManifestFile
from preftrain_api.report import Artifact, DataReport, Metrics, Pins
from preftrain_api.wire import ALLOW_FILE
from preftrain_trainer.errors import Preempted
from preftrain_trainer.places import s3
from preftrain_trainer.places.store import (
    ABSENT,
    ANYTHING,
    Condition,
    Fencing,
    ObjectStore,
    file_sha256,
    probe,
)
from preftrain_trainer.publishing.claim import CLAIM, Claim, take_claim
from preftrain_trainer.publishing.evidence import Evidence
from preftrain_trainer.publishing.publish import (
    MANIFEST,
    PlaceTaken,
    adopt,
    find_published,
    publish,
)
from preftrain_trainer.stop import StopRequest
from support.trainer_cases import run_spec

from .conftest import Place, Revision

pytestmark = pytest.mark.integration

HASH = "sha256:" + "1" * 64
OTHER_HASH = "sha256:" + "2" * 64


def test_the_probe_finds_conditional_writes_and_leaves_nothing(revision: Revision) -> None:
    """A place that can be written is said to be, and is empty afterwards."""
    store = revision.store()

    assert probe(store) == "ConditionalWrites"
    assert list(store.list()) == []


def test_the_probe_is_not_deceived_by_a_store_that_ignores_conditions(
    versity: Place, tmp_path: Path, without_conditions: Callable[[], None]
) -> None:
    """An answer of success is not taken for support."""
    without_conditions()
    store = Revision(versity, run_spec(tmp_path, output=versity.output), tmp_path).store()

    assert probe(store) == "None"
    assert list(store.list()) == []


def test_conditions_hold(revision: Revision) -> None:
    """Absent means absent, a tag is the tag of what is there."""
    store = revision.store()

    assert store.put("x", b"1", ABSENT)
    assert not store.put("x", b"2", ABSENT)
    first = store.get("x")
    assert first is not None
    assert store.put("x", b"3", Condition(tag=first[1]))
    assert not store.put("x", b"4", Condition(tag=first[1]))
    assert not store.put("none", b"5", Condition(tag=first[1]))
    found = store.get("x")
    assert found is not None
    assert found[0] == b"3"
    assert store.get("none") is None
    assert store.head("none") is None


def test_large_files_arrive_whole_and_on_condition(
    revision: Revision, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files sent in parts carry their digest and respect conditions too."""
    monkeypatch.setattr(s3, "PART_BYTES", 5 * 1024 * 1024)
    large = tmp_path / "large"
    large.write_bytes(os.urandom(11 * 1024 * 1024))
    digest = file_sha256(large)
    store = revision.store()

    assert store.put_file("a/large", large, digest, ABSENT)
    assert not store.put_file("a/large", large, digest, ABSENT)

    found = store.head("a/large")
    assert found is not None
    assert (found.size, found.sha256) == (large.stat().st_size, digest)
    assert store.put_file("a/large", large, digest, Condition(tag=found.tag))
    content = store.get("a/large")
    assert content is not None
    assert content[0] == large.read_bytes()


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

    artifact = publish_as(revision, "pod-1")

    found = store.get(MANIFEST)
    assert found is not None
    manifest = Manifest.parse(json.loads(found[0]), context={ALLOW_FILE: True})
    assert [file.path for file in manifest.files] == [
        "report/metrics.jsonl",
        "adapter/adapter_config.json",
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
    first = publish_as(revision, "pod-1")

    assert publish_as(revision, "pod-2") == first


def test_another_run_does_not_overwrite(revision: Revision) -> None:
    """A revision's place belongs to the run that was published there first."""
    first = publish_as(revision, "pod-1")

    with pytest.raises(PlaceTaken, match="r1 holds another run; raise runRevision") as refusal:
        publish_as(revision, "pod-2", spec_hash=OTHER_HASH)

    assert refusal.value.artifact == first
    assert adopt(revision.store(), HASH) == first


@pytest.mark.fault(9)
def test_a_pod_that_was_overtaken_publishes_nothing(revision: Revision) -> None:
    """Without the claim neither files nor manifest are written."""
    stale = take_claim(revision.store("old"), "old", "ConditionalWrites")
    take_claim(revision.store("new"), "new", "ConditionalWrites")

    with pytest.raises(Preempted):
        publish_as(revision, "old", claim=stale)

    assert [item.key for item in revision.store().list()] == [CLAIM]


def test_a_pod_overtaken_before_the_manifest_publishes_nothing(revision: Revision) -> None:
    """The claim is checked again between the last file and the manifest."""
    claim = take_claim(revision.store("old"), "old", "ConditionalWrites")

    def overtake() -> None:
        take_claim(revision.store("new"), "new", "ConditionalWrites")

    with pytest.raises(Preempted):
        publish_as(revision, "old", claim=claim, before_manifest=overtake)

    assert find_published(revision.store()) is None


@pytest.mark.fault(16)
@pytest.mark.case(5)
@pytest.mark.parametrize("after_files", [0, 1, 2, 3])
def test_an_interrupted_publication_is_invisible(revision: Revision, after_files: int) -> None:
    """Asked to end between two uploads, a pod leaves files but no manifest, and a retry wins."""
    stop = StopRequest()
    store = _StopsAfter(revision.store("pod-1"), stop, after_files)
    claim = take_claim(revision.store("pod-1"), "pod-1", "ConditionalWrites")

    with pytest.raises(Preempted):
        publish_as(revision, "pod-1", claim=claim, store=store, stop=stop)

    assert find_published(revision.store()) is None
    assert adopt(revision.store(), HASH) is None
    assert publish_as(revision, "pod-2") == adopt(revision.store(), HASH)


def test_a_withheld_adapter_is_kept_apart(revision: Revision) -> None:
    """It lies under withheld/, and the place still counts as free."""
    artifact = publish_as(revision, "pod-1", withheld=True)

    keys = {item.key for item in revision.store().list()}
    assert artifact.uri.endswith("/r1/withheld")
    assert "withheld/manifest.json" in keys
    assert "withheld/adapter/adapter_model.safetensors" in keys
    assert find_published(revision.store()) is None


def test_a_store_without_conditions_still_refuses_another_run(
    versity: Place, tmp_path: Path, without_conditions: Callable[[], None]
) -> None:
    """Where the server cannot help, a look before the manifest is written does."""
    without_conditions()
    revision = Revision(versity, run_spec(tmp_path, output=versity.output), tmp_path)
    publish_as(revision, "pod-1", fencing="None")

    with pytest.raises(PlaceTaken):
        publish_as(revision, "pod-2", fencing="None", spec_hash=OTHER_HASH)


def test_what_is_no_manifest_is_another_run(revision: Revision) -> None:
    """A file of somebody else under the manifest's name is never overwritten."""
    revision.store().put(MANIFEST, b"hands off")

    with pytest.raises(PlaceTaken):
        adopt(revision.store(), HASH)


class _StopsAfter:
    """A store that asks for the end after a number of files were sent."""

    def __init__(self, store: ObjectStore, stop: StopRequest, files: int) -> None:
        self._store = store
        self._stop = stop
        self._left = files
        self.get, self.head, self.url = store.get, store.head, store.url
        self.list, self.put, self.delete = store.list, store.put, store.delete
        if not files:
            stop.request()

    def put_file(self, key: str, path: Path, sha256: str, condition: Condition = ANYTHING) -> bool:
        written = self._store.put_file(key, path, sha256, condition)
        self._left -= 1
        if not self._left:
            self._stop.request()
        return written


def publish_as(
    revision: Revision,
    pod: str,
    *,
    spec_hash: str = HASH,
    claim: Claim | None = None,
    store: ObjectStore | None = None,
    stop: StopRequest | None = None,
    fencing: Fencing = "ConditionalWrites",
    withheld: bool = False,
    before_manifest: Callable[[], None] = lambda: None,
) -> Artifact:
    """Publish a small adapter as `pod`."""
    folders = revision.workspace(pod)
    folders.make()
    (folders.adapter / "adapter_config.json").write_text("{}")
    (folders.adapter / "adapter_model.safetensors").write_bytes(b"tensors" * 1000)
    (folders.report / "metrics.jsonl").write_text('{"step": 1}\n')
    evidence = Evidence(
        run=revision.run,
        pins=Pins(model_commit="c", data_digest=HASH),
        spec_hash=spec_hash,
        data_report=DataReport(rows=1, train_rows=1, eval_rows=0),
        resolved={},
        versions={},
        environment={},
        created=datetime(2026, 1, 1, tzinfo=UTC),
        steps=1,
        metrics=Metrics(),
        findings=(),
        evaluation=None,
        gates=(),
        withheld=withheld,
        holder=pod,
        seconds=1.0,
        gpu_seconds=0.0,
    )

    def describe(files: tuple[ManifestFile, ...]) -> Manifest:
        before_manifest()
        return evidence.manifest(files)

    opened = revision.store(pod)
    return publish(
        store or opened,
        claim or take_claim(opened, pod, fencing),
        fencing,
        folders={"report": folders.report, "adapter": folders.adapter},
        describe=describe,
        withheld=withheld,
        stop=stop or StopRequest(),
    )
