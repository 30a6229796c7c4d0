"""Pods that use one place at the same time, in any order of their requests."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from preftrain_api.report import Artifact
from preftrain_api.run_spec import RunSpec
from preftrain_trainer.checkpoint.remote import POINTER, ROOT, CheckpointPlace
from preftrain_trainer.errors import Preempted, TrainerError
from preftrain_trainer.places.folder_store import FolderStore
from preftrain_trainer.places.ref import PlaceRef
from preftrain_trainer.places.store import ANYTHING, Condition, ObjectStore
from preftrain_trainer.publishing.claim import take_claim
from support.checkpoints import sealed
from support.publication import HASH, OTHER_HASH, attempt, results, visible
from support.s3_worlds import S3World
from support.trainer_cases import run_spec
from support.turns import PODS, InTurns, Turns, all_at_once, in_any_order

pytestmark = pytest.mark.integration

NUMBERS = itertools.count()
STEP_OF = {name: step for step, name in enumerate(PODS, 1)}
"""The step that a pod's checkpoint is of."""


@in_any_order(200)
def test_pods_that_meet_in_a_folder_publish_once_and_whole(
    tmp_path: Path, order: list[str], other_run: bool
) -> None:
    """At every moment either nothing is visible or all of one pod's results, and that for good."""
    folder = tmp_path / f"{next(NUMBERS)}"
    run = run_spec(folder)
    meet(in_folder(run, folder), run, folder, order, other_run)


@in_any_order(15)
def test_pods_that_meet_in_a_bucket_publish_once_and_whole(
    versity_world: S3World, tmp_path: Path, order: list[str], other_run: bool
) -> None:
    """The same, with a real server that decides who is first."""
    folder, prefix = tmp_path / f"{next(NUMBERS)}", versity_world.prefix()
    meet(lambda: versity_world.undisturbed(prefix), versity_world.run, folder, order, other_run)


@in_any_order(100)
def test_the_resume_pointer_moves_with_the_claim(
    tmp_path: Path, order: list[str], other_run: bool
) -> None:
    """Once a later pod has moved it, no earlier one does; it names a whole checkpoint."""
    folder = tmp_path / f"{next(NUMBERS)}"
    opened = in_folder(run_spec(folder), folder)
    moved: list[tuple[int, str]] = []

    def pod(name: str, turns: Turns) -> None:
        store = Watched(opened(), turns, name)
        try:
            claim = take_claim(store, name, "ConditionalWrites")
            place = CheckpointPlace(store, "ConditionalWrites", name, claim.check, keep=2)
            store.moved = lambda: moved.append((claim.epoch, name))
            place.upload(folder / name, sealed(folder / name, STEP_OF[name] if other_run else 3))
        except Preempted:
            pass  # overtaken

    all_at_once(order, pod)

    assert [epoch for epoch, _ in moved] == sorted(epoch for epoch, _ in moved)
    place = CheckpointPlace(opened(), "ConditionalWrites", "last", lambda: None, keep=2)
    found = place.newest(folder / "found", lambda state, url: None, lambda: None)
    assert found is not None
    assert found.state.step == (STEP_OF[moved[-1][1]] if other_run else 3)


def in_folder(run: RunSpec, folder: Path) -> Callable[[], ObjectStore]:
    """Opens a store that is a folder."""
    place = PlaceRef.of("output", run.spec.output.uri, run.spec.output)
    return lambda: FolderStore(place, folder / "out", "file://out")


class Watched(InTurns):
    """Tells when the pointer was moved, before anybody else has a turn."""

    def __init__(self, store: ObjectStore, turns: Turns, name: str) -> None:
        super().__init__(store, turns, name)
        self._pointed = store
        self.moved: Callable[[], None] = lambda: None

    def put(self, key: str, data: bytes, condition: Condition = ANYTHING) -> bool:
        def put() -> bool:
            written = self._pointed.put(key, data, condition)
            if written and key == ROOT + POINTER:
                self.moved()
            return written

        return self._turn(put)


def meet(
    opened: Callable[[], ObjectStore],
    run: RunSpec,
    folder: Path,
    order: list[str],
    other_run: bool,
) -> None:
    """Let all pods publish in this order of requests, and look at what is there afterwards."""
    published: list[Artifact] = []
    seen: set[str | None] = set()

    def pod(name: str, turns: Turns) -> None:
        left = results(folder / name, f"trained by {name}".encode(), name)
        spec_hash = OTHER_HASH if other_run and name == "new" else HASH
        try:
            published.append(
                attempt(InTurns(opened(), turns, name), name, run, left, spec_hash=spec_hash)
            )
            seen.add(turns.take(name, lambda: visible(opened())))
        except TrainerError:
            pass  # overtaken, or the place is another run's

    all_at_once(order, pod)

    final = visible(opened())
    assert {artifact.digest for artifact in published} <= {final}
    assert seen <= {final}
