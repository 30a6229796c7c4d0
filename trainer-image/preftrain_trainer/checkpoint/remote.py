"""Checkpoints in a store: `checkpoints/step-N/`, and `checkpoints/latest.json` that names one.

Files go first, `resume.json` after them, the pointer last, and older checkpoints are removed
only after that; so at every moment the pointer names a whole checkpoint. All writes are
conditional and follow a look at the claim, so a pod that was overtaken changes nothing.
In a store without conditional writes every pod has a folder and a pointer of its own; whoever
resumes takes the furthest whole checkpoint of all.

Nothing read is trusted: digests are verified, and a torn checkpoint falls back to the one
before. One that another release wrote in a form of its own is not torn: it ends the run, because
going on from an older one would throw away what it holds.
"""

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, ValidationError

from preftrain_api.report import Digest
from preftrain_api.wire import WireModel
from preftrain_trainer import versions
from preftrain_trainer.checkpoint.local import (
    TornCheckpoint,
    UnknownForm,
    read_state,
    require_plain,
    verify,
)
from preftrain_trainer.checkpoint.state import RESUME, ResumeState
from preftrain_trainer.errors import BadSpec, ObjectStoreUnavailable
from preftrain_trainer.places.store import (
    ABSENT,
    ANYTHING,
    Condition,
    Fencing,
    ObjectStore,
    file_sha256,
)

_log = logging.getLogger("preftrain")

ROOT: Final = "checkpoints/"
POINTER: Final = "latest.json"
_STEP: Final = "step-"
_ATTEMPTS: Final = 3
_REMOVED_AT_ONCE: Final = 256
"""Files after which removing waits for the next save, so that it never holds up a checkpoint."""


class Pointer(WireModel):
    """The content of `latest.json`."""

    step: Annotated[int, Field(ge=1)]
    folder: str
    """Key of the checkpoint's folder, ending in a slash."""
    digest: Digest
    """Of its `resume.json`."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint that was found: its state, and the folder it was brought to."""

    state: ResumeState
    folder: Path
    url: str


@dataclass(frozen=True, slots=True)
class CheckpointPlace:
    """Where the checkpoints of one revision are kept.

    Attributes:
        store: folder of the revision.
        fencing: whether its conditional writes hold.
        holder: the pod that writes.
        require_claim: raises `Preempted` once a later pod has taken over.
        keep: how many checkpoints stay.
    """

    store: ObjectStore
    fencing: Fencing
    holder: str
    require_claim: Callable[[], None]
    keep: int

    def newest(
        self, into: Path, require: Callable[[ResumeState, str], None], between: Callable[[], None]
    ) -> Saved | None:
        """Bring the newest whole checkpoint into the folder `into`; None when there is none.

        Args:
            into: a folder for its files.
            require: raises for a checkpoint that must not be used, given its state and URL.
            between: called between downloads; may raise to end early.

        Raises:
            BadSpec: another release wrote it in a form that this one does not read.
            TrainerError: what `require` raises, or the store fails.
        """
        release = versions.versions().get("preftrain")
        for folder, expected in self._candidates():
            url = self.store.url(folder.rstrip("/"))
            try:
                state = self._state(folder, expected, release)
                require(state, url)
                self._download(folder, state, into, between)
            except UnknownForm as other:
                raise _unreadable(url, other, release) from other
            except TornCheckpoint as problem:
                _log.warning("%s is damaged (%s); trying the one before", url, problem)
                continue
            return Saved(state, into, url)
        return None

    def upload(self, folder: Path, state: ResumeState) -> None:
        """Make the sealed checkpoint in `folder` the newest one.

        Raises:
            Preempted: a later pod has taken over.
            ObjectStoreUnavailable: the store fails, or changes what it is given.
        """
        prefix = f"{self._own()}{_STEP}{state.step}/"
        for name in (*(file.path for file in state.files), RESUME):
            self._put(prefix + name, folder / name)
        self._point(Pointer(step=state.step, folder=prefix, digest=_digest(folder / RESUME)))

    def remove_old(self, newest: int) -> None:
        """Keep the last few whole checkpoints up to the step `newest`, which is this pod's own
        and whole, and remove what is older.

        Folders of earlier pods count and go too, where every pod has its own. Whoever takes the
        claim after the look at it here lists the checkpoints later still, and finds this pod's.

        Raises:
            Preempted: a later pod has taken over.
            ObjectStoreUnavailable: the store fails.
        """
        folders: dict[str, list[str]] = {}
        pointers: set[str] = set()
        for found in self.store.list(ROOT):
            folder, _, name = found.key.rpartition("/")
            if _is_checkpoint(folder):
                folders.setdefault(folder + "/", []).append(found.key)
            elif name == POINTER and _is_pods(folder):
                pointers.add(found.key)
        own = self._own()
        reached = sorted(
            (name for name in folders if _step_of(name) <= newest),
            key=lambda name: (_step_of(name), name.startswith(own + _STEP)),
            reverse=True,
        )
        kept = [name for name in reached if name + RESUME in folders[name]][: self.keep]
        removed = 0
        for name in reversed(reached):
            if name in kept or removed >= _REMOVED_AT_ONCE:
                continue
            self.require_claim()
            # A folder without resume.json is no checkpoint, so half of one is never left.
            for key in sorted(folders.pop(name), key=lambda key: not key.endswith(RESUME)):
                self.store.delete(key)
                removed += 1
        for key in pointers - {own + POINTER}:
            start = key.removesuffix(POINTER)
            if not any(name.startswith(start) for name in folders):
                self.require_claim()
                self.store.delete(key)

    def _own(self) -> str:
        return ROOT if self.fencing == "ConditionalWrites" else f"{ROOT}{self.holder}/"

    def _candidates(self) -> Iterator[tuple[str, str | None]]:
        """Folders to try, with the digest of their `resume.json` where the pointer tells it."""
        pointer = self._pointer() if self.fencing == "ConditionalWrites" else None
        if pointer is not None:
            yield pointer.folder, pointer.digest
        found = {
            item.key.removesuffix(RESUME)
            for item in self.store.list(ROOT)
            if item.key.endswith(f"/{RESUME}")
        }
        for folder in sorted(found, key=lambda name: (_step_of(name), name), reverse=True):
            if pointer is None or folder != pointer.folder:
                yield folder, None

    def _pointer(self) -> Pointer | None:
        found = self.store.get(ROOT + POINTER)
        if found is None:
            return None
        try:
            pointer = Pointer.model_validate_json(found[0])
        except ValidationError:
            _log.warning("%s is damaged; looking at the folders", self.store.url(ROOT + POINTER))
            return None
        # Whoever may write there could name any folder of the volume.
        is_ours = pointer.folder.startswith(ROOT) and _step_of(pointer.folder) == pointer.step
        return pointer if is_ours and ".." not in pointer.folder.split("/") else None

    def _state(self, folder: str, expected: str | None, release: str | None) -> ResumeState:
        found = self.store.get(folder + RESUME)
        if found is None:
            raise TornCheckpoint(f"{RESUME} is missing")
        digest = f"sha256:{hashlib.sha256(found[0]).hexdigest()}"
        if expected not in (None, digest):
            raise TornCheckpoint(f"{RESUME} is not the one that {POINTER} names")
        return read_state(found[0], release)

    def _download(
        self, folder: str, state: ResumeState, into: Path, between: Callable[[], None]
    ) -> None:
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        for file in state.files:
            between()
            require_plain(file.path)
            if not self.store.fetch(folder + file.path, into / file.path):
                raise TornCheckpoint(f"{file.path} is missing")
        verify(into, state)

    def _put(self, key: str, path: Path) -> None:
        """Write one file unless it is there already."""
        size, digest = path.stat().st_size, file_sha256(path)
        found = self.store.head(key)
        # In this order: whatever a later pod writes once the claim is its own has another tag.
        self.require_claim()
        if found is not None and (found.size, found.sha256) == (size, digest):
            return
        condition = ABSENT if found is None else Condition(tag=found.tag)
        if self.fencing == "None":
            condition = ANYTHING
        if not self.store.put_file(key, path, digest, condition):
            self.require_claim()  # else it is this upload, whose first answer was lost
        arrived = self.store.head(key)
        if arrived is None or (arrived.size, arrived.sha256) != (size, digest):
            raise ObjectStoreUnavailable(
                f"{self.store.url(key)} did not arrive as it was sent; check the store behind "
                "checkpoint.uri"
            )

    def _point(self, pointer: Pointer) -> None:
        key = self._own() + POINTER
        data = pointer.model_dump_json(by_alias=True).encode()
        for _ in range(_ATTEMPTS):
            found = self.store.get(key)
            if found is not None and found[0] == data:
                return
            condition = ABSENT if found is None else Condition(tag=found[1])
            self.require_claim()
            if self.store.put(key, data, ANYTHING if self.fencing == "None" else condition):
                return
        raise ObjectStoreUnavailable(
            f"{self.store.url(key)} is changed by others; end the other runs"
        )


def _unreadable(url: str, other: UnknownForm, release: str | None) -> BadSpec:
    writer = f"preftrain {other.writer}" if other.writer else "another release of preftrain"
    return BadSpec(
        f"{url} was written by {writer} as {other.form}, which this trainer, preftrain "
        f"{release or 'of an unknown release'}, does not read ({other.problem}); go on with the "
        "trainer image of the release that wrote it, or raise runRevision to begin anew"
    )


def _digest(path: Path) -> str:
    return f"sha256:{file_sha256(path)}"


def _is_checkpoint(folder: str) -> bool:
    """Whether this is `checkpoints/step-N` or `checkpoints/<pod UID>/step-N`, and nothing else."""
    above = folder.rpartition("/")[0]
    return _step_of(folder) > 0 and (above + "/" == ROOT or _is_pods(above))


def _is_pods(folder: str) -> bool:
    """Whether this may be the folder of a pod in a store without conditional writes."""
    return folder.count("/") == 1 and _step_of(folder) == -1


def _step_of(folder: str) -> int:
    """The step in the name of a folder; -1 for one that is none of ours."""
    name = folder.rstrip("/").rpartition("/")[2]
    number = name.removeprefix(_STEP)
    return int(number) if name != number and number.isdecimal() else -1
