"""Checkpoints on their way to the store while training goes on."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from preftrain_trainer.checkpoint.attempt import Attempt
from preftrain_trainer.checkpoint.keeping import keep
from preftrain_trainer.checkpoint.remote import CheckpointPlace
from preftrain_trainer.checkpoint.state import ResumeState
from preftrain_trainer.checkpoint.uploads import Uploads
from preftrain_trainer.errors import Preempted
from preftrain_trainer.places.folder_store import FolderStore
from preftrain_trainer.places.ref import PlaceRef
from preftrain_trainer.places.store import ANYTHING, Condition
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.stop import StopRequest
from support.checkpoints import KEY, write
from support.trainer_cases import run_spec

SECONDS = 30
"""Deadline of whatever is waited for."""


class Gated(FolderStore):
    """A folder whose files arrive once the gate is open."""

    def __init__(self, place: PlaceRef, root: Path) -> None:
        super().__init__(place, root, f"file://{root}")
        self.gate = threading.Event()
        self.reached = threading.Event()
        self.gate.set()
        self.broken = False
        self._ref = place

    def put_file(self, key: str, path: Path, sha256: str, condition: Condition = ANYTHING) -> bool:
        self.reached.set()
        assert self.gate.wait(SECONDS)
        if self.broken:
            raise self._ref.unreachable("it does not answer")
        return super().put_file(key, path, sha256, condition)


class Scene:
    def __init__(self, root: Path, require_claim: Callable[[], None] = lambda: None) -> None:
        self.root = root
        output = run_spec(root).spec.output
        self.store = Gated(PlaceRef.of("output", output.uri, output), root / "store")
        self.saved: list[int] = []
        self.failed: list[tuple[int, str]] = []
        place = CheckpointPlace(self.store, "ConditionalWrites", "pod-1", require_claim, keep=2)
        self.uploads = Uploads(
            place, self.saved.append, lambda step, why: self.failed.append((step, why))
        )

    def submit(self, *steps: int) -> None:
        for step in steps:
            self.uploads.submit(write(self.root / f"step-{step}", step))

    def there(self) -> list[str]:
        return sorted(
            item.key for item in self.store.list("checkpoints/") if item.key.endswith("resume.json")
        )


def test_a_newer_checkpoint_takes_the_place_of_one_that_waits(tmp_path: Path) -> None:
    """Training is never held up, and the folder of the one given up is gone."""
    scene = Scene(tmp_path)
    scene.store.gate.clear()
    scene.submit(1)
    assert scene.store.reached.wait(SECONDS)
    scene.submit(2, 3)
    assert not scene.uploads.finish(0)
    assert [scene.uploads.has(step) for step in (1, 2, 3)] == [True, False, True]
    scene.store.gate.set()

    assert scene.uploads.finish(SECONDS)

    assert scene.saved == [1, 3]
    assert scene.uploads.saved_step == 3
    assert not any(tmp_path.glob("step-*"))


def test_old_checkpoints_are_removed(tmp_path: Path) -> None:
    """As many as asked for stay."""
    scene = Scene(tmp_path)
    for step in (1, 2, 3):
        scene.submit(step)
        assert scene.uploads.finish(SECONDS)

    assert scene.there() == ["checkpoints/step-2/resume.json", "checkpoints/step-3/resume.json"]
    assert not (tmp_path / "store" / "checkpoints" / "step-1").exists()


def test_a_failed_upload_is_told_and_made_up_for(tmp_path: Path) -> None:
    """The run goes on, and the next checkpoint is saved."""
    scene = Scene(tmp_path)
    scene.store.broken = True
    scene.submit(1)
    assert scene.uploads.finish(SECONDS)
    scene.uploads.check()
    assert not scene.uploads.has(1)
    scene.store.broken = False
    scene.submit(2)
    assert scene.uploads.finish(SECONDS)

    assert [step for step, _ in scene.failed] == [1]
    assert "does not answer" in scene.failed[0][1]
    assert (scene.saved, scene.uploads.saved_step) == ([2], 2)


def test_a_pod_that_was_overtaken_learns_of_it(tmp_path: Path) -> None:
    """At its next look, and nothing was written."""

    def lost() -> None:
        raise Preempted("taken over by a later pod")

    scene = Scene(tmp_path, lost)
    scene.submit(1)
    assert scene.uploads.finish(SECONDS)

    with pytest.raises(Preempted, match="later pod"):
        scene.uploads.check()
    assert (scene.saved, scene.failed, scene.there()) == ([], [], [])


def test_a_pod_that_is_overtaken_while_it_tidies_up_learns_of_it(tmp_path: Path) -> None:
    """Not only that older checkpoints were left."""
    looks = 0

    def later() -> None:
        nonlocal looks
        looks += 1
        if looks > 8:  # two checkpoints of four writes each
            raise Preempted("taken over by a later pod")

    scene = Scene(tmp_path, later)
    scene.uploads._place = replace(scene.uploads._place, keep=1)
    for step in (1, 2):
        scene.submit(step)
        assert scene.uploads.finish(SECONDS)

    assert scene.saved == [1, 2]
    with pytest.raises(Preempted, match="later pod"):
        scene.uploads.check()


def test_what_goes_wrong_with_the_last_checkpoint_is_not_kept_back(tmp_path: Path) -> None:
    """Nobody looks at the thread after it, so the end of training does."""
    scene = Scene(tmp_path)
    attempt = Attempt(KEY, 1, "pod-1", 0.0, False, {}, {})
    place, board = scene.uploads._place, ProgressBoard("pod-1")

    def train() -> None:
        with keep(place, attempt, None, tmp_path, board, StopRequest()) as keeping:
            keeping.uploads.submit(replace(write(tmp_path / "step-1", 1), describe=bug))

    def bug(**_: object) -> ResumeState:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        train()
