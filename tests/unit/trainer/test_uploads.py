"""Checkpoints on their way to the store while training goes on."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from preftrain_trainer.checkpoint import keeping as keeping_module
from preftrain_trainer.checkpoint.attempt import Attempt
from preftrain_trainer.checkpoint.keeping import keep
from preftrain_trainer.checkpoint.remote import CheckpointPlace
from preftrain_trainer.checkpoint.state import BEST_ADAPTER, ResumeState, Selection
from preftrain_trainer.checkpoint.uploads import Uploads, Written
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
        self.holds = ""
        self.broken = False
        self._ref = place

    def put_file(self, key: str, path: Path, sha256: str, condition: Condition = ANYTHING) -> bool:
        if self.holds in ("", key):
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


def test_a_request_while_the_last_upload_hangs_is_answered_in_its_time(tmp_path: Path) -> None:
    """Patience with a silent store must not last beyond the moment at which the pod is killed."""
    scene = Scene(tmp_path)
    attempt = Attempt(KEY, 1, "pod-1", 0.0, False, {}, {})
    stop = StopRequest()
    stop.grace_seconds = 0
    scene.store.gate.clear()

    def end() -> None:
        assert scene.store.reached.wait(SECONDS)
        stop.request()

    signal = threading.Thread(target=end)
    started = time.monotonic()
    with keep(
        scene.uploads._place, attempt, None, tmp_path, ProgressBoard("pod-1"), stop
    ) as keeping:
        keeping.uploads.submit(write(tmp_path / "step-1", 1))
        signal.start()
    signal.join()

    assert time.monotonic() - started < keeping_module._LAST_UPLOAD_SECONDS / 2
    scene.store.gate.set()
    assert keeping.uploads.finish(SECONDS)


@pytest.mark.parametrize("in_time", [True, False])
def test_a_request_while_the_best_adapter_is_on_its_way_loses_nothing(
    tmp_path: Path, in_time: bool
) -> None:
    """It arrives whole with its checkpoint, or the one before is gone on from, best and all."""
    scene = Scene(tmp_path)
    attempt = Attempt(KEY, 1, "pod-1", 0.0, False, {}, {})
    stop = StopRequest()
    stop.grace_seconds = 4 * SECONDS if in_time else 0
    best = Selection(evaluated_step=1, best_step=1, best_value=0.5)

    def with_best(step: int) -> Written:
        written = write(tmp_path / f"step-{step}", step, selection=best)
        (written.folder / BEST_ADAPTER).write_bytes(b"the adapter of step 1")
        return written

    with keep(
        scene.uploads._place, attempt, None, tmp_path, ProgressBoard("pod-1"), stop
    ) as keeping:
        keeping.uploads.submit(with_best(2))
        assert keeping.uploads.finish(SECONDS)
        scene.store.reached.clear()
        scene.store.holds = f"checkpoints/step-3/{BEST_ADAPTER}"
        scene.store.gate.clear()
        keeping.uploads.submit(with_best(3))
        assert scene.store.reached.wait(SECONDS)
        stop.request()
        if in_time:
            scene.store.gate.set()

    found = scene.uploads._place.newest(tmp_path / "found", lambda *_: None, lambda: None)
    scene.store.gate.set()

    assert found is not None
    assert (found.state.step, found.state.selection) == (3 if in_time else 2, best)
    assert (found.folder / BEST_ADAPTER).read_bytes() == b"the adapter of step 1"
    assert keeping.uploads.finish(SECONDS)


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
