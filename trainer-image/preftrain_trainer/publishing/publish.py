"""Publishes an adapter so that either all of it is visible or nothing.

Files go first, each with its digest; `manifest.json` goes last and only where none is. Who
reads a place without a manifest, or a file that the manifest does not list, reads nothing.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from preftrain_api.manifest import Manifest, ManifestFile
from preftrain_api.report import Artifact
from preftrain_trainer.errors import ArtifactConflict, ObjectStoreUnavailable
from preftrain_trainer.places.store import (
    ABSENT,
    ANYTHING,
    Condition,
    Fencing,
    ObjectStore,
    file_sha256,
)
from preftrain_trainer.publishing.claim import Claim
from preftrain_trainer.stop import StopRequest

MANIFEST: Final = "manifest.json"
WITHHELD: Final = "withheld/"
"""Where an adapter goes that failed a gate: for inspection, not for use."""


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
    if found is None:
        return None
    try:
        value = json.loads(found[0])
        spec_hash = value.get("specHash") if isinstance(value, dict) else None
    except ValueError:
        spec_hash = None
    return Published(_artifact(store, "", found[0]), spec_hash)


def adopt(store: ObjectStore, spec_hash: str) -> Artifact | None:
    """The adapter of exactly this run when it is published already, None when nothing is.

    Raises:
        PlaceTaken: the place holds another run.
    """
    published = find_published(store)
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

    Raises:
        Preempted: the end was asked for before the manifest was written, or a later pod has
            taken over.
        PlaceTaken: another run was published here meanwhile.
        ObjectStoreUnavailable: an upload failed for good or did not arrive whole.
    """
    start = WITHHELD if withheld else ""
    files: list[ManifestFile] = []
    with stop.deferred():
        for name, folder in folders.items():
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                stop.check()
                relative = f"{name}/{path.relative_to(folder).as_posix()}"
                digest = file_sha256(path)
                _upload(store, claim, fencing, start + relative, path, digest)
                files.append(ManifestFile(path=relative, size=path.stat().st_size, sha256=digest))
        stop.check()
        manifest = describe(tuple(files))
        data = manifest.model_dump_json(by_alias=True, exclude_none=True, indent=1).encode()
        claim.check()
        if withheld:
            store.put(start + MANIFEST, data)
            artifact = _artifact(store, start, data)
        else:
            artifact = _write_manifest(store, fencing, data, manifest.spec_hash)
        stop.settle()
    return artifact


def _write_manifest(store: ObjectStore, fencing: Fencing, data: bytes, spec_hash: str) -> Artifact:
    # Without conditional writes, a look beforehand is all that there is.
    taken = fencing == "None" and store.head(MANIFEST) is not None
    if not taken and store.put(MANIFEST, data, ANYTHING if fencing == "None" else ABSENT):
        return _artifact(store, "", data)
    # A write whose answer was lost finds its own manifest here.
    adopted = adopt(store, spec_hash)
    if adopted is None:
        raise ObjectStoreUnavailable(
            f"{store.url(MANIFEST)} was there and vanished; keep others from deleting it"
        )
    return adopted


def _upload(
    store: ObjectStore, claim: Claim, fencing: Fencing, key: str, path: Path, digest: str
) -> None:
    """Write one file on condition, so that a pod that was overtaken cannot change it later."""
    claim.check()
    if fencing == "None":
        store.put_file(key, path, digest)
    else:
        found = store.head(key)
        condition = ABSENT if found is None else Condition(tag=found.tag)
        if not store.put_file(key, path, digest, condition):
            claim.check()  # else it is this upload whose first answer was lost
    arrived = store.head(key)
    if arrived is None or (arrived.size, arrived.sha256) != (path.stat().st_size, digest):
        raise ObjectStoreUnavailable(
            f"{store.url(key)} did not arrive as it was sent; check the store behind output.uri"
        )


def _artifact(store: ObjectStore, start: str, data: bytes) -> Artifact:
    return Artifact(
        uri=store.url(start.rstrip("/")),
        digest=f"sha256:{hashlib.sha256(data).hexdigest()}",
        manifest=store.url(start + MANIFEST),
    )
