"""Publishes an adapter so that either all of it is visible or nothing.

Files go first, each with its digest and on condition, and are looked at once they are there.
Then the publication is decided, in the claim; `manifest.json` goes last and only where none
is. Who reads a place without a manifest, or a file that the manifest does not list, reads
nothing. A pod that dies between decision and manifest leaves everything that the next one
needs to write it.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from preftrain_api.manifest import Manifest, ManifestFile
from preftrain_api.report import Artifact
from preftrain_trainer.errors import ArtifactConflict, ObjectStoreUnavailable, Preempted
from preftrain_trainer.places.store import (
    ABSENT,
    ANYTHING,
    Condition,
    Fencing,
    ObjectStore,
    file_sha256,
)
from preftrain_trainer.publishing.claim import CLAIM, Claim, break_seal, read_claim
from preftrain_trainer.publishing.leaving import leave
from preftrain_trainer.stop import StopRequest

MANIFEST: Final = "manifest.json"
WITHHELD: Final = "withheld/"
"""Where an adapter goes that failed a gate: for inspection, not for use."""

_UPLOADS: Final = 3
"""How often a file is sent that does not arrive as it was; requests that fail are another matter
and repeated by the store."""


class PlaceTaken(ArtifactConflict):
    """The revision's place holds another run; carries its artifact as evidence."""

    def __init__(self, message: str, artifact: Artifact) -> None:
        super().__init__(message)
        self.artifact = artifact


@dataclass(frozen=True, slots=True)
class Published:
    """A manifest that was found."""

    artifact: Artifact
    spec_hash: str | None


def find_published(store: ObjectStore) -> Published | None:
    """What the place already holds; None when it is free."""
    found = store.get(MANIFEST)
    return None if found is None else _published(store, found[0])


def adopt(store: ObjectStore, spec_hash: str) -> Artifact | None:
    """The adapter of exactly this run when it is published already, None when nothing is.

    Completes a publication that was decided and not finished.

    Raises:
        PlaceTaken: the place holds another run.
    """
    published = find_published(store) or _finish(store)
    if published is None:
        return None
    if published.spec_hash == spec_hash:
        return published.artifact
    revision = store.url("").rsplit("/", 1)[-1]
    raise PlaceTaken(
        f"{published.artifact.manifest}: {revision} holds another run; raise runRevision",
        published.artifact,
    )


def publish(
    store: ObjectStore,
    claim: Claim,
    fencing: Fencing,
    *,
    folders: dict[str, Path],
    describe: Callable[[tuple[ManifestFile, ...]], Manifest],
    withheld: bool,
    stop: StopRequest,
) -> Artifact:
    """Upload `folders` (by name below the revision) and then the manifest that lists them.

    A signal that asks for the end interrupts an upload at once: its parts are aborted, and what
    has arrived is used by the next attempt. From the decision on the publication is completed.

    Raises:
        Preempted: the end was asked for before the publication was decided, a later pod has
            taken over, or somebody has published here since the place was looked at.
        PlaceTaken: another run was published here meanwhile.
        ObjectStoreUnavailable: an upload failed for good or did not arrive whole.
    """
    if not withheld and store.head(MANIFEST) is not None:
        raise Preempted(
            f"{store.url(MANIFEST)} was written meanwhile; the next attempt adopts it or says "
            "what it is"
        )
    start = WITHHELD if withheld else ""
    files: list[ManifestFile] = []
    for name, folder in folders.items():
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            stop.check()
            relative = f"{name}/{path.relative_to(folder).as_posix()}"
            file = ManifestFile(path=relative, size=path.stat().st_size, sha256=file_sha256(path))
            _upload(store, claim, fencing, start, path, file)
            files.append(file)
    manifest = describe(tuple(files))
    text = manifest.model_dump_json(by_alias=True, exclude_none=True, indent=1)
    with stop.deferred():
        stop.check()
        if withheld:
            artifact = _withhold(store, claim, fencing, text.encode())
        else:
            artifact = _decide(store, claim, fencing, text, manifest.spec_hash)
        stop.settle()
    # Uploads whose id was lost with an answer: there may be no next attempt to find them.
    store.discard_unfinished()
    return artifact


def _withhold(store: ObjectStore, claim: Claim, fencing: Fencing, data: bytes) -> Artifact:
    """Write the manifest of an adapter that nobody is to use, unless a later pod has."""
    if not leave(store, fencing, WITHHELD + MANIFEST, data, claim.check):
        raise Preempted(
            f"{store.url(WITHHELD + MANIFEST)} was written meanwhile; this pod ends without it"
        )
    return _artifact(store, WITHHELD, data)


def _decide(
    store: ObjectStore, claim: Claim, fencing: Fencing, text: str, spec_hash: str
) -> Artifact:
    if fencing == "None":
        # Looks are all that there is; the write that follows may still meet another.
        claim.check()
        free = store.head(MANIFEST) is None
    else:
        claim.seal(text)
        free = True
    if free and store.put(MANIFEST, text.encode(), ANYTHING if fencing == "None" else ABSENT):
        return _artifact(store, "", text.encode())
    # A write whose answer was lost finds its own manifest here.
    adopted = adopt(store, spec_hash)
    if adopted is None:
        raise ObjectStoreUnavailable(
            f"{store.url(MANIFEST)} was there and vanished; keep others from deleting it"
        )
    return adopted


def _finish(store: ObjectStore) -> Published | None:
    """Write the manifest that a claim holds, if its files are there."""
    found = read_claim(store)
    if found is None:
        return None
    record, tag = found
    if record.manifest is None:
        return None
    data = record.manifest.encode()
    try:
        listed = [ManifestFile.model_validate(file) for file in json.loads(data)["files"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ObjectStoreUnavailable(
            f"{store.url(CLAIM)} holds no manifest of preftrain; remove it, or raise runRevision"
        ) from error
    if not all(_is_there(store, file.path, file) for file in listed):
        break_seal(store, record, tag)
        return None
    store.put(MANIFEST, data, ABSENT)
    return find_published(store)


def _upload(
    store: ObjectStore, claim: Claim, fencing: Fencing, start: str, path: Path, file: ManifestFile
) -> None:
    """Write one file on condition, so that a pod that was overtaken cannot change it later.

    The look comes before the check of the claim: what a later pod writes after taking over is
    then something else than what was seen, and the write is refused.
    """
    key = start + file.path
    for _ in range(_UPLOADS):
        found = store.head(key)
        claim.check()
        if found is not None and (found.size, found.sha256) == (file.size, file.sha256):
            return  # an earlier attempt's, or its own whose answer was lost
        condition = ABSENT if found is None else Condition(tag=found.tag)
        store.put_file(key, path, file.sha256, ANYTHING if fencing == "None" else condition)
        if _is_there(store, key, file):
            return
    raise ObjectStoreUnavailable(
        f"{store.url(key)} did not arrive as it was sent; check the store behind output.uri"
    )


def _is_there(store: ObjectStore, key: str, file: ManifestFile) -> bool:
    found = store.head(key)
    if found is None or found.size != file.size:
        return False
    # Stores that drop metadata are asked for the content itself.
    return (found.sha256 or store.digest(key)) == file.sha256


def _published(store: ObjectStore, data: bytes) -> Published:
    try:
        value = json.loads(data)
        spec_hash = value.get("specHash") if isinstance(value, dict) else None
    except ValueError:
        spec_hash = None
    return Published(_artifact(store, "", data), spec_hash)


def _artifact(store: ObjectStore, start: str, data: bytes) -> Artifact:
    return Artifact(
        uri=store.url(start.rstrip("/")),
        digest=f"sha256:{hashlib.sha256(data).hexdigest()}",
        manifest=store.url(start + MANIFEST),
    )
