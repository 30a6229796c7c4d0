"""Checkpoints in real stores: what is found again, what is kept, and who may write."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import pytest

from preftrain_trainer.checkpoint import remote
from preftrain_trainer.checkpoint.remote import CheckpointPlace, Saved
from preftrain_trainer.checkpoint.state import ADAPTER, RESUME, ResumeState
from preftrain_trainer.errors import ArtifactConflict, BadSpec, Preempted
from preftrain_trainer.places.store import Fencing, ObjectStore
from preftrain_trainer.publishing.claim import take_claim
from support.checkpoints import sealed
from support.result_place import Place, Revision
from support.wrapped_store import Died, Wrapped

pytestmark = pytest.mark.integration

in_folder_and_s3 = pytest.mark.parametrize("place", ["folder", "versity"], indirect=True)
in_folder = pytest.mark.parametrize("place", ["folder"], indirect=True)
"""What does not depend on the store."""


def anything(state: ResumeState, url: str) -> None:
    del state, url


@dataclass
class Pod:
    """A pod that trains: it has taken the claim."""

    revision: Revision
    name: str
    fencing: Fencing = "ConditionalWrites"
    keep: int = 2
    store: ObjectStore = field(init=False)
    place: CheckpointPlace = field(init=False)

    def __post_init__(self) -> None:
        self.store = self.revision.store(self.name)
        claim = take_claim(self.store, self.name, self.fencing)
        self.place = CheckpointPlace(self.store, self.fencing, self.name, claim.check, self.keep)

    def save(self, step: int) -> None:
        folder = self.revision.tmp_path / f"{self.name}-step-{step}"
        self.place.upload(folder, sealed(folder, step))

    def find(self, require: Callable[[ResumeState, str], None] = anything) -> Saved | None:
        into = self.revision.tmp_path / f"{self.name}-resumed"
        return self.place.newest(into, require, lambda: None)

    def steps(self) -> list[str]:
        return sorted(
            item.key.split("/")[-2]
            for item in self.store.list("checkpoints/")
            if item.key.endswith(f"/{RESUME}")
        )


class FailsToDelete(Wrapped):
    """Dies after some deletions."""

    def __init__(self, store: ObjectStore, after: int) -> None:
        super().__init__(store)
        left = after

        def delete(key: str) -> None:
            nonlocal left
            if left == 0:
                raise Died
            left -= 1
            store.delete(key)

        self.delete = delete


def folders_of(pod: Pod) -> set[str]:
    """All folders of checkpoints, whole or not."""
    keys = [item.key.removeprefix("checkpoints/") for item in pod.store.list("checkpoints/")]
    return {key.rpartition("/")[0] for key in keys if "step-" in key}


@in_folder_and_s3
def test_the_newest_checkpoint_is_found_by_another_pod(revision: Revision) -> None:
    """Whole, and verified."""
    assert Pod(revision, "first").find() is None
    first = Pod(revision, "first")
    first.save(3)
    first.save(12)

    found = Pod(revision, "second").find()

    assert found is not None
    assert found.state.step == 12
    assert found.url.endswith("r1/checkpoints/step-12")
    assert (found.folder / ADAPTER).is_file()


@in_folder
def test_a_torn_checkpoint_falls_back_to_the_one_before(
    revision: Revision, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is wrong with it; the log says what."""
    pod = Pod(revision, "first")
    for step in (3, 6, 9, 12):
        pod.save(step)
    pod.store.put(f"checkpoints/step-12/{ADAPTER}", b"torn")
    pod.store.delete(f"checkpoints/step-9/{ADAPTER}")
    pod.store.put(f"checkpoints/step-6/{RESUME}", b"{")

    found = Pod(revision, "second").find()

    assert found is not None
    assert found.state.step == 3
    assert "checkpoints/step-12 is damaged" in caplog.text


@in_folder
def test_a_description_that_the_pointer_does_not_name_is_not_trusted(revision: Revision) -> None:
    """It may be whole and still be another one's."""
    pod = Pod(revision, "first")
    pod.save(3)
    pod.save(6)
    other = revision.tmp_path / "other"
    sealed(other, 7)
    pod.store.put(f"checkpoints/step-6/{RESUME}", (other / RESUME).read_bytes())

    found = Pod(revision, "second").find()

    assert found is not None
    assert found.state.step == 3


@in_folder
@pytest.mark.parametrize("folder", ["checkpoints/../../elsewhere/step-6/", "elsewhere/step-6/"])
def test_a_pointer_that_leads_elsewhere_is_not_followed(revision: Revision, folder: str) -> None:
    """Whoever may write there must not choose what else of the volume is read."""
    pod = Pod(revision, "first")
    pod.save(3)
    other = revision.tmp_path / "other"
    sealed(other, 6)
    for path in other.iterdir():
        pod.store.put(f"{folder}{path.name}", path.read_bytes())
    digest = f"sha256:{hashlib.sha256((other / RESUME).read_bytes()).hexdigest()}"
    pointer = {"step": 6, "folder": folder, "digest": digest}
    pod.store.put("checkpoints/latest.json", json.dumps(pointer).encode())

    found = Pod(revision, "second").find()

    assert found is not None
    assert found.state.step == 3


@in_folder
@pytest.mark.parametrize("name", ["..", "../evil", ""])
def test_a_file_that_leads_out_of_its_folder_makes_a_checkpoint_torn(
    revision: Revision, name: str
) -> None:
    """It is not even fetched."""
    pod = Pod(revision, "first")
    pod.save(3)
    pod.save(6)
    where = "checkpoints/step-6/resume.json"
    found = pod.store.get(where)
    assert found is not None
    state = json.loads(found[0])
    state["files"][0]["path"] = name
    pod.store.put(where, json.dumps(state).encode())
    pod.store.delete("checkpoints/latest.json")

    again = Pod(revision, "second").find()

    assert again is not None
    assert again.state.step == 3


@in_folder
def test_files_without_a_pointer_are_good_enough(revision: Revision) -> None:
    """A pod was killed between its first checkpoint and the pointer."""
    pod = Pod(revision, "first")
    pod.save(3)
    pod.store.delete("checkpoints/latest.json")

    found = Pod(revision, "second").find()

    assert found is not None
    assert found.state.step == 3


@in_folder
def test_a_half_uploaded_checkpoint_is_none(revision: Revision) -> None:
    """Files without their description are written over by the next attempt."""
    pod = Pod(revision, "first")
    pod.save(3)
    pod.store.put(f"checkpoints/step-6/{ADAPTER}", b"half")

    second = Pod(revision, "second")
    found = second.find()
    assert found is not None
    assert found.state.step == 3
    second.save(6)
    again = Pod(revision, "third").find()
    assert again is not None
    assert again.state.step == 6


@in_folder
def test_another_runs_checkpoint_ends_the_search(revision: Revision) -> None:
    """It is refused, not skipped for an older one."""
    pod = Pod(revision, "first")
    pod.save(3)

    def refuse(state: ResumeState, url: str) -> None:
        raise ArtifactConflict(f"{url} of step {state.step} belongs to another run")

    with pytest.raises(ArtifactConflict, match="step-3 of step 3 belongs"):
        pod.find(refuse)


@in_folder_and_s3
def test_a_checkpoint_of_a_newer_release_ends_the_search(revision: Revision) -> None:
    """It is whole, so it is neither skipped for an older one nor written over."""
    pod = Pod(revision, "first")
    pod.save(3)
    where = "checkpoints/step-6"
    newer = revision.tmp_path / "newer"
    sealed(newer, 6, versions={"preftrain": "99.1.0"})
    description = json.loads((newer / RESUME).read_bytes())
    description["apiVersion"] = "checkpoint.preftrain.dev/v1"
    for path in newer.iterdir():
        pod.store.put(f"{where}/{path.name}", path.read_bytes())
    content = json.dumps(description).encode()
    pod.store.put(f"{where}/{RESUME}", content)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    pointer = {"step": 6, "folder": f"{where}/", "digest": digest, "of": "another form"}
    pod.store.put("checkpoints/latest.json", json.dumps(pointer).encode())
    before = {item.key: item.tag for item in pod.store.list("checkpoints/")}

    with pytest.raises(BadSpec) as refused:
        Pod(revision, "second").find()

    said = str(refused.value)
    assert said.startswith(pod.store.url(where))
    assert "preftrain 99.1.0 as checkpoint.preftrain.dev/v1," in said
    assert f"this trainer, preftrain {version('preftrain')}, does not read" in said
    assert "trainer image of the release that wrote it, or raise runRevision" in said
    assert {item.key: item.tag for item in pod.store.list("checkpoints/")} == before


@in_folder
def test_a_pointer_to_a_folder_that_is_gone_falls_back(
    revision: Revision, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody has cleared up by hand; what is left is gone on from, and the log says so."""
    pod = Pod(revision, "first")
    pod.save(3)
    pod.save(6)
    for item in list(pod.store.list("checkpoints/step-6/")):
        pod.store.delete(item.key)

    found = Pod(revision, "second").find()

    assert found is not None
    assert found.state.step == 3
    assert f"checkpoints/step-6 is damaged ({RESUME} is missing)" in caplog.text


@in_folder_and_s3
@pytest.mark.parametrize("deletions", [0, 1, 2])
def test_removing_that_was_cut_short_is_completed_by_the_next_pod(
    revision: Revision, deletions: int
) -> None:
    """No half of a checkpoint is taken for one on the way."""
    pod = Pod(revision, "first")
    for step in (2, 4, 6):
        pod.save(step)
    short = FailsToDelete(pod.store, after=deletions)
    with pytest.raises(Died):
        replace(pod.place, store=short, keep=1).remove_old(6)

    second = Pod(revision, "second", keep=1)
    found = second.find()
    assert found is not None
    assert found.state.step == 6
    second.save(8)
    second.place.remove_old(8)

    folders = {item.key.split("/")[1] for item in second.store.list("checkpoints/")}
    assert folders == {"step-8", "latest.json"}


@in_folder
def test_as_many_as_asked_for_are_kept(revision: Revision) -> None:
    """The last ones; halves of older ones go too, and what is further on stays."""
    pod = Pod(revision, "first")
    pod.store.put(f"checkpoints/step-1/{ADAPTER}", b"half")
    for step in (2, 9, 10, 30):
        pod.save(step)

    pod.place.remove_old(10)

    assert pod.steps() == ["step-10", "step-30", "step-9"]
    assert [item.key for item in pod.store.list("checkpoints/step-1/")] == []


@in_folder_and_s3
def test_a_pod_that_was_cut_off_moves_nothing_any_more(revision: Revision) -> None:
    """The older of two trainers on one prefix: neither pointer, nor files, nor manifest."""
    old = Pod(revision, "old")
    old.save(3)
    new = Pod(revision, "new")
    new.save(4)
    before = {item.key: item.tag for item in new.store.list()}

    with pytest.raises(Preempted, match="later pod"):
        old.save(6)
    with pytest.raises(Preempted):
        replace(old.place, keep=0).remove_old(6)

    assert {item.key: item.tag for item in new.store.list()} == before
    found = Pod(revision, "third").find()
    assert found is not None
    assert found.state.step == 4


@in_folder_and_s3
@pytest.mark.parametrize("write", [1, 2, 3, 4])
def test_a_pod_overtaken_between_look_and_write_moves_nothing(
    revision: Revision, write: int
) -> None:
    """A pod may freeze right after it has looked at the claim; then the write itself fails."""
    old = Pod(revision, "old")
    old.save(3)
    looks = 0

    def freeze() -> None:
        nonlocal looks
        looks += 1
        old.place.require_claim()
        if looks == write:
            Pod(revision, "new").save(6)

    frozen = replace(old.place, require_claim=freeze)
    folder = revision.tmp_path / "late"

    with pytest.raises(Preempted, match="later pod"):
        frozen.upload(folder, sealed(folder, 6, tokens=1.0))

    found = Pod(revision, "third").find()
    assert found is not None
    assert (found.state.step, found.state.tokens) == (6, None)


@in_folder
def test_without_conditional_writes_every_pod_has_a_folder(revision: Revision) -> None:
    """Nobody writes over another's, and the furthest one is resumed."""
    first, second = Pod(revision, "first", "None"), Pod(revision, "second", "None")
    second.save(3)
    third = Pod(revision, "third", "None")
    third.save(2)
    del first

    found = Pod(revision, "fourth", "None").find()

    assert found is not None
    assert found.state.step == 3
    keys = {item.key for item in third.store.list("checkpoints/")}
    assert {"checkpoints/second/latest.json", "checkpoints/third/latest.json"} <= keys


@in_folder_and_s3
def test_folders_of_dead_pods_go_once_there_is_something_better(revision: Revision) -> None:
    """Not before this pod has enough of its own to keep, and nothing else goes with them."""
    for name, steps in (("first", (2, 4)), ("second", (6, 8))):
        pod = Pod(revision, name, "None")
        for step in steps:
            pod.save(step)
    store = pod.store
    store.put(f"checkpoints/second/step-7/{ADAPTER}", b"half")
    store.put(f"checkpoints/second/step-20/{ADAPTER}", b"further on")
    others = {"notes.txt", "checkpoints/first/notes.txt", "checkpoints/a/b/step-1/notes.txt"}
    for key in others:
        store.put(key, b"somebody's")
    third = Pod(revision, "third", "None")
    assert {"first/step-2", "first/step-4", "second/step-6", "second/step-8"} <= folders_of(third)

    third.save(10)
    third.place.remove_old(10)
    assert folders_of(third) == {"second/step-8", "second/step-20", "third/step-10"} | {
        "a/b/step-1"
    }
    third.save(12)
    third.place.remove_old(12)

    assert folders_of(third) == {"second/step-20", "third/step-10", "third/step-12", "a/b/step-1"}
    keys = {item.key for item in store.list()}
    assert others <= keys
    assert "checkpoints/first/latest.json" not in keys
    assert {"checkpoints/second/latest.json", "checkpoints/third/latest.json"} <= keys


@in_folder
def test_of_equal_steps_a_pod_keeps_its_own(revision: Revision) -> None:
    """A pod that fell back may reach a step again whose folder another pod has left damaged."""
    Pod(revision, "zulu", "None").save(4)
    second = Pod(revision, "alpha", "None", keep=1)
    second.save(4)

    second.place.remove_old(4)

    assert folders_of(second) == {"alpha/step-4"}


@in_folder_and_s3
def test_a_pod_that_was_overtaken_removes_no_others_folder(revision: Revision) -> None:
    """The later pod may be going on from just that one."""
    Pod(revision, "first", "None").save(2)
    second = Pod(revision, "second", "None", keep=1)
    second.save(4)
    Pod(revision, "third", "None")

    with pytest.raises(Preempted, match="later pod"):
        second.place.remove_old(4)

    assert folders_of(second) == {"first/step-2", "second/step-4"}


@in_folder
def test_what_many_dead_pods_left_is_removed_bit_by_bit(
    revision: Revision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no save waits for it; the oldest go first."""
    monkeypatch.setattr(remote, "_REMOVED_AT_ONCE", 6)
    for number in range(1, 5):
        Pod(revision, f"pod-{number}", "None").save(number)
    last = Pod(revision, "last", "None", keep=1)
    last.save(9)

    last.place.remove_old(9)
    assert folders_of(last) == {"pod-3/step-3", "pod-4/step-4", "last/step-9"}
    last.place.remove_old(9)
    assert folders_of(last) == {"last/step-9"}


def test_checkpoints_may_have_a_place_of_their_own(versity: Place, tmp_path: Path) -> None:
    """With a Secret of its own; by default they are beside the results."""
    from preftrain_trainer.places import opening as places
    from support.trainer_cases import run_spec, workspace

    own = {**versity.output, "uri": f"s3://{versity.bucket}/elsewhere"}
    run = run_spec(tmp_path, output={"uri": f"file://{tmp_path}/out"}, checkpoint=own)
    folders = workspace(tmp_path)
    versity.keys_in(folders.secrets / "checkpoint")

    store = places.open_checkpoints(run, folders, patient=False)

    assert store.url("x") == f"s3://{versity.bucket}/elsewhere/team/tiny/r1/x"
    assert not places.checkpoints_with_output(run.spec)
    plain = run_spec(tmp_path, output=versity.output)
    assert places.checkpoints_with_output(plain.spec)
