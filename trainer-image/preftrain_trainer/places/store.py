"""The port to whatever results are written to, and the probe that tells what it can do.

Keys are relative to the folder of one revision. Two implementations: `s3.Bucket` and
`folder_store.FolderStore`.
"""

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from preftrain_trainer.errors import ObjectStoreUnavailable

_OTHER_TAG: Final = f'"{hashlib.md5(b"other", usedforsecurity=False).hexdigest()}"'
"""A well-formed tag that the probe's object does not have."""

LARGEST_READ_BYTES: Final = 64 * 1024 * 1024
"""What `get` takes into memory at most: claims, manifests, pointers and reports are far smaller."""

Fencing = Literal["ConditionalWrites", "None"]


class ConditionsUnsupported(ObjectStoreUnavailable):
    """The store answers that it does not know conditional writes."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a store says about one object."""

    key: str
    size: int
    """Bytes."""
    tag: str
    """Changes whenever the content does."""
    sha256: str | None = None
    """Digest that was stored with it; listings and stores that keep no metadata leave it out."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold for a write to happen; checked by the store in one step with the write."""

    absent: bool = False
    """There is no such object yet."""
    tag: str | None = None
    """The object still has this tag."""


ANYTHING: Final = Condition()
ABSENT: Final = Condition(absent=True)


class ObjectStore(Protocol):
    """A folder of objects; every method raises a `TrainerError` when the store fails."""

    def url(self, key: str) -> str:
        """The object's URI, for people."""
        ...

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and tag, or None when there is no such object; for small ones.

        Raises:
            TrainerError: it is larger than anything that is left there.
        """
        ...

    def head(self, key: str) -> StoredObject | None:
        """What is known about an object, or None when there is none."""
        ...

    def digest(self, key: str) -> str | None:
        """SHA-256 of an object's content, read back whole, or None when there is none."""
        ...

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """All objects whose key starts with `prefix`."""
        ...

    def put(self, key: str, data: bytes, condition: Condition = ANYTHING) -> bool:
        """Write a small object; False when the condition did not hold.

        Raises:
            ConditionsUnsupported: the store refuses the condition itself.
        """
        ...

    def put_file(self, key: str, path: Path, sha256: str, condition: Condition = ANYTHING) -> bool:
        """Write a file of any size with its digest; False when the condition did not hold.

        Raises:
            ConditionsUnsupported: the store refuses the condition itself.
        """
        ...

    def fetch(self, key: str, path: Path) -> bool:
        """Bring an object into a file, which appears when it is whole; False when there is none."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        ...

    def discard_unfinished(self) -> None:
        """Remove what writers left that were killed in the middle of a write.

        Ends the writes of pods that are still alive too, so only the newest may call it.
        """
        ...


def file_sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def probe(store: ObjectStore) -> Fencing:
    """Prove that `store` can be written and read, and find out whether its conditions hold.

    Several stores take `If-None-Match` without a word and overwrite anyway, so only two writes
    to one key tell. Leaves nothing behind, unless the store stops answering.

    Raises:
        ObjectStoreUnavailable: it cannot be written, or gives back something else.
    """
    key = f"probe-{uuid.uuid4().hex}"
    content = b"preftrain checks that results can be written here\n"
    store.put(key, content)
    found = store.get(key)
    if found is None or found[0] != content:
        store.delete(key)
        raise ObjectStoreUnavailable(
            f"{store.url(key)} reads back differently from what was written; "
            "use a store with read-after-write consistency"
        )
    fencing: Fencing = "ConditionalWrites" if _conditions_hold(store, key, found[1]) else "None"
    store.delete(key)
    return fencing


def _conditions_hold(store: ObjectStore, key: str, tag: str) -> bool:
    fresh = f"{key}-fresh"
    try:
        held = (
            not store.put(key, b"overwritten", ABSENT)
            and not store.put(key, b"overwritten", Condition(tag=_OTHER_TAG))
            and store.put(fresh, b"new", ABSENT)
            and store.put(key, b"replaced", Condition(tag=tag))
        )
    except ConditionsUnsupported:
        held = False
    store.delete(fresh)
    return held
