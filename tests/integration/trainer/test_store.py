"""Stores of every kind keep the same promises: whole objects, conditions, nothing left behind."""

import errno
import fcntl
import hashlib
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from preftrain_trainer.errors import ObjectStoreUnavailable
from preftrain_trainer.places import folder_store, s3
from preftrain_trainer.places.store import (
    ABSENT,
    Condition,
    ConditionsUnsupported,
    StoredObject,
    file_sha256,
    probe,
)
from support.fault_proxy import Fault, Rule
from support.result_place import Place, Revision
from support.s3_worlds import BUCKET, S3World
from support.trainer_cases import run_spec

pytestmark = pytest.mark.integration


def test_the_probe_finds_conditional_writes_and_leaves_nothing(revision: Revision) -> None:
    """A place that can be written is said to be, and is empty afterwards."""
    store = revision.store()

    assert probe(store) == "ConditionalWrites"
    assert list(store.list()) == []


@pytest.mark.parametrize("ignored", [("If-None-Match", "If-Match"), ("If-Match",)])
def test_the_probe_is_not_deceived_by_a_store_that_ignores_conditions(
    versity: Place,
    tmp_path: Path,
    without_headers: Callable[..., None],
    ignored: tuple[str, ...],
) -> None:
    """An answer of success is not taken for support."""
    without_headers(*ignored)
    store = Revision(versity, run_spec(tmp_path, output=versity.output), tmp_path).store()

    assert probe(store) == "None"
    assert list(store.list()) == []


def test_a_store_that_refuses_conditions_has_none(s3_world: S3World) -> None:
    """501 to a conditional write is an answer, not a failure."""
    s3_world.proxy.plan(Rule(Fault("Answer", 501, "NotImplemented"), nth=2, method="PUT"))
    store = s3_world.disturbed(s3_world.prefix())

    assert probe(store) == "None"
    s3_world.proxy.plan(Rule(Fault("Answer", 501, "NotImplemented")))
    with pytest.raises(ConditionsUnsupported):
        store.put("x", b"1", ABSENT)


def test_a_store_that_gives_back_something_else_is_refused(s3_world: S3World) -> None:
    """The message says what is asked of a store."""
    s3_world.proxy.plan(Rule(Fault("DamageAnswer"), method="GET"))

    with pytest.raises(ObjectStoreUnavailable, match="reads back differently"):
        probe(s3_world.disturbed(s3_world.prefix()))


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
    assert store.digest("none") is None


def test_what_is_too_large_for_its_name_is_not_read(
    revision: Revision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim of gigabytes would take the memory of the pod; the sentence says what to do."""
    for module in (folder_store, s3):
        monkeypatch.setattr(module, "LARGEST_READ_BYTES", 10)
    store = revision.store()
    store.put("claim.json", b"x" * 11)

    with pytest.raises(ObjectStoreUnavailable, match=r"r1/claim.json has 11 bytes.*remove it"):
        store.get("claim.json")
    store.put("claim.json", b"x" * 10)
    assert store.get("claim.json") is not None


def test_files_arrive_whole_with_their_digest(revision: Revision, tmp_path: Path) -> None:
    """Size and digest are there, the content reads back, and the listing knows it."""
    path = tmp_path / "file"
    path.write_bytes(b"content" * 100)
    digest = file_sha256(path)
    store = revision.store()

    assert store.put_file("a/file", path, digest, ABSENT)
    assert not store.put_file("a/file", path, digest, ABSENT)

    found = store.head("a/file")
    assert found is not None
    assert (found.size, found.sha256) == (700, digest)
    assert store.digest("a/file") == digest
    assert [(item.key, item.size) for item in store.list("a/")] == [("a/file", 700)]
    store.delete("a/file")
    store.delete("a/file")
    assert list(store.list()) == []


def test_large_files_arrive_whole_and_on_condition(s3_world: S3World, tmp_path: Path) -> None:
    """Files sent in parts carry their digest and respect conditions too."""
    prefix = s3_world.prefix()
    store = s3_world.undisturbed(prefix)
    large = tmp_path / "large"
    large.write_bytes(s3_world.model())
    digest = file_sha256(large)

    assert store.put_file("a/large", large, digest, ABSENT)
    assert not store.put_file("a/large", large, digest, ABSENT)

    found = store.head("a/large")
    assert found is not None
    assert (found.size, found.sha256) == (large.stat().st_size, digest)
    assert found.tag.strip('"').endswith("-2")
    assert store.put_file("a/large", large, digest, Condition(tag=found.tag))
    assert store.digest("a/large") == digest
    assert s3_world.unfinished(prefix) == []


def test_an_object_becomes_a_file(revision: Revision, tmp_path: Path) -> None:
    """Whole; where there is none, no file appears either."""
    store = revision.store()
    store.put("a/small", b"content")

    assert store.fetch("a/small", tmp_path / "small")
    assert not store.fetch("a/none", tmp_path / "none")

    assert (tmp_path / "small").read_bytes() == b"content"
    assert not (tmp_path / "none").exists()


def test_damage_on_the_way_is_noticed_by_the_server(versity_world: S3World, tmp_path: Path) -> None:
    """A part that arrives with another digest is sent again."""
    large = tmp_path / "large"
    large.write_bytes(versity_world.model())
    versity_world.proxy.plan(Rule(Fault("DamageRequest"), method="PUT", path="partNumber=1"))
    store = versity_world.disturbed(versity_world.prefix())

    assert store.put_file("large", large, file_sha256(large), ABSENT)

    assert len(versity_world.proxy.hit) == 1
    assert store.digest("large") == file_sha256(large)


def test_listings_go_on_after_the_first_page(moto_world: S3World) -> None:
    """Pages are joined."""
    store = moto_world.undisturbed("p")

    def page(*keys: str, **more: str) -> dict[str, Any]:
        items = [{"Key": f"p/{key}", "Size": 1, "ETag": "tag"} for key in keys]
        return {"Contents": items, **more}

    with Stubber(moto_world.direct.client) as stub:
        asked = {"Bucket": BUCKET, "Prefix": "p/"}
        stub.add_response("list_objects_v2", page("a", "b", NextContinuationToken="t"), asked)
        stub.add_response("list_objects_v2", page("c"), {**asked, "ContinuationToken": "t"})
        keys = [item.key for item in store.list()]

    assert keys == ["a", "b", "c"]


def test_what_a_killed_writer_left_is_removed(s3_world: S3World) -> None:
    """Its uploads are aborted, and those of other places stay."""
    prefix, other = s3_world.prefix(), s3_world.prefix()
    for folder in (prefix, other):
        s3_world.direct.client.create_multipart_upload(Bucket=BUCKET, Key=f"{folder}/adapter/x")

    s3_world.undisturbed(prefix).discard_unfinished()

    assert s3_world.unfinished(prefix) == []
    assert s3_world.unfinished(other) == [f"{other}/adapter/x"]


def test_not_being_allowed_to_list_uploads_ends_nothing(
    s3_world: S3World, caplog: pytest.LogCaptureFixture
) -> None:
    """It costs money and no correctness, so it is said and passed over."""
    s3_world.proxy.plan(Rule(Fault("Answer", 403, "AccessDenied"), times=None))

    s3_world.disturbed(s3_world.prefix()).discard_unfinished()

    assert "unfinished uploads of earlier attempts stay" in caplog.text


def test_a_killed_copy_leaves_no_part_file(tmp_path: Path) -> None:
    """In a folder the part is a file; it is never listed, and removed by the next attempt."""
    revision = Revision(
        Place({"uri": f"file://{tmp_path}/out"}, {}),
        run_spec(tmp_path, output={"uri": f"file://{tmp_path}/out"}),
        tmp_path,
    )
    store = revision.store()
    store.put("adapter/x", b"whole")
    left = tmp_path / "out/team/tiny/r1/adapter/.y.part-copy-abc"
    left.write_bytes(b"half")

    assert [item.key for item in store.list()] == ["adapter/x"]
    store.discard_unfinished()

    assert not left.exists()


def test_a_file_that_vanishes_while_it_is_listed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older pod may be removing its checkpoints at this moment."""
    place = Place({"uri": f"file://{tmp_path}/out"}, {})
    store = Revision(place, run_spec(tmp_path, output=place.output), tmp_path).store()
    for key in ("step-1/a", "step-1/b", "step-2/a"):
        store.put(key, b"x")
    walk = os.walk

    def vanishing(top: Path, **how: Any) -> Any:
        for folder, folders, names in walk(top, **how):
            (Path(folder) / "b").unlink(missing_ok=True)
            shutil.rmtree(Path(folder) / "step-2", ignore_errors=True)
            yield folder, folders, names

    monkeypatch.setattr(os, "walk", vanishing)

    assert [item.key for item in store.list()] == ["step-1/a"]


def test_a_copy_that_cannot_be_removed_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By then the adapter may be published already."""
    place = Place({"uri": f"file://{tmp_path}/out"}, {})
    store = Revision(place, run_spec(tmp_path, output=place.output), tmp_path).store()
    store.put("adapter/.y.part-copy-abc", b"half")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", denied)
    store.discard_unfinished()

    assert "unfinished copies of earlier attempts stay" in caplog.text


def test_metadata_in_capitals_are_the_same_metadata(
    moto_world: S3World,
) -> None:
    """Some servers give the names of metadata back as HTTP headers usually look."""
    store = moto_world.undisturbed(moto_world.prefix())
    digest = hashlib.sha256(b"1").hexdigest()
    moto_world.direct.client.put_object(
        Bucket=BUCKET, Key=store._key("x"), Body=b"1", Metadata={"Sha256": digest}
    )

    found = store.head("x")

    assert isinstance(found, StoredObject)
    assert found.sha256 == digest


def test_a_folder_without_links_or_locks_has_no_conditions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on some network file systems; any other failure stays one."""
    output = {"uri": f"file://{tmp_path}/out"}
    store = Revision(Place(output, {}), run_spec(tmp_path, output=output), tmp_path).store()
    store.put("x", b"1")

    def fails(number: int) -> Callable[..., NoReturn]:
        def fail(*_: object) -> NoReturn:
            raise OSError(number, os.strerror(number))

        return fail

    monkeypatch.setattr(os, "link", fails(errno.EPERM))
    assert probe(store) == "None"
    with pytest.raises(ConditionsUnsupported, match=r"volume behind output\.uri"):
        store.put("y", b"1", ABSENT)
    monkeypatch.setattr(os, "link", fails(errno.EACCES))
    with pytest.raises(ObjectStoreUnavailable, match="make the folder writable"):
        store.put("y", b"1", ABSENT)
    monkeypatch.setattr(fcntl, "flock", fails(errno.ENOLCK))
    with pytest.raises(ConditionsUnsupported):
        store.put("x", b"2", Condition(tag="tag"))


def test_a_download_appears_when_it_is_whole(s3_world: S3World, tmp_path: Path) -> None:
    """An answer that breaks off is asked for again, and what is not there is told."""
    store = s3_world.disturbed(s3_world.prefix())
    content = s3_world.model()
    store.put("model", content)
    s3_world.proxy.plan(Rule(Fault("CutAnswer", count=100), method="GET", path="/model"))

    store.download("model", tmp_path / "folder" / "model")

    assert s3_world.proxy.hit
    assert (tmp_path / "folder" / "model").read_bytes() == content
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["model"]
    with pytest.raises(ObjectStoreUnavailable, match="there is no object case-"):
        store.download("nothing", tmp_path / "nothing")


def test_a_server_that_is_not_s3_is_told(moto_world: S3World, tmp_path: Path) -> None:
    """Answers that succeed and lack what S3 always says come from something else."""
    store = moto_world.undisturbed("p")
    large = tmp_path / "large"
    large.write_bytes(moto_world.model())
    page = {"Body": StreamingBody(io.BytesIO(b"<html>"), 6)}
    with Stubber(moto_world.direct.client) as stub:
        stub.add_response("get_object", page)
        stub.add_response("create_multipart_upload", {})
        with pytest.raises(ObjectStoreUnavailable, match="does not answer as S3 does; correct"):
            store.get("x")
        with pytest.raises(ObjectStoreUnavailable, match="does not answer as S3 does; correct"):
            store.put_file("x", large, "0" * 64)
