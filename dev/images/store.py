"""Keeps what was built: blobs by digest, parts by key, one OCI layout for each image.

Images share their blobs. A part is a record of layers; it is written after its blobs, so an
interrupted build leaves nothing that could be taken for a part.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cluster.locks import file_lock
from cluster.oci import REF_NAME, Blob
from cluster.paths import cache_dir

Json = dict[str, Any]
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of an image.

    Attributes:
        digest: of the blob as it lies in the store.
        size: of the blob, in bytes.
        media_type: says how it is compressed.
        diff_id: digest of the uncompressed layer.
    """

    digest: str
    size: int
    media_type: str
    diff_id: str


@dataclass(frozen=True, slots=True)
class Part:
    """Some layers of an image that are made together.

    Attributes:
        layers: lowest first.
        config: the image's configuration, empty for a part that only adds files.
    """

    layers: tuple[Layer, ...]
    config: Json


class Store:
    """A folder of blobs, parts and layouts.

    Args:
        root: everything is below it; by default the user's cache.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or cache_dir() / "images"
        self._blobs = self.root / "blobs" / "sha256"
        self._parts = self.root / "parts"
        self._scratch = self.root / "scratch"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Have the store alone; what an interrupted build left behind is removed first."""
        with file_lock(self.root / "lock", "with the images"):
            shutil.rmtree(self._scratch, ignore_errors=True)
            for folder in (self._blobs, self._parts, self._scratch):
                folder.mkdir(parents=True, exist_ok=True)
            try:
                yield
            finally:
                shutil.rmtree(self._scratch, ignore_errors=True)

    def scratch(self) -> Path:
        """A new folder that lives until the lock is given back."""
        return Path(tempfile.mkdtemp(dir=self._scratch))

    def adopt(self, path: Path, digest: str) -> Blob:
        """Move a file into the store as a blob; its digest is the caller's to know."""
        blob = Blob(digest, path.stat().st_size)
        path.rename(self.root / blob.path)
        return blob

    def take_layout(self, layout: Path) -> Part:
        """Move the only image of an OCI layout into the store."""
        index = json.loads((layout / "index.json").read_text())
        manifest = _read(layout, index["manifests"][0])
        config = _read(layout, manifest["config"])
        layers = []
        for entry, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
            target = self.root / Blob(entry["digest"], entry["size"]).path
            source = layout / Blob(entry["digest"], entry["size"]).path
            if source.exists():
                source.replace(target)
            layers.append(Layer(entry["digest"], entry["size"], entry["mediaType"], diff_id))
        return Part(tuple(layers), config)

    def part(self, name: str, key: str, make: Callable[[], Part]) -> Part:
        """The part with a key: found, or made now, after which others of its name go."""
        record = self._parts / f"{name}-{key[:16]}.json"
        found = _read_part(record)
        if found is not None and all(self._has(layer) for layer in found.layers):
            return found
        made = make()
        _write(record, json.dumps(asdict(made)).encode())
        for other in self._parts.glob(f"{name}-*.json"):
            if other != record:
                other.unlink()
        return made

    def write_image(self, name: str, reference: str, parts: Sequence[Part]) -> Path:
        """Join parts into an image; its OCI layout, with one image that carries its name.

        Args:
            name: names the layout's folder.
            reference: the image's name with its tag.
            parts: the first brings the configuration.
        """
        layers = [layer for part in parts for layer in part.layers]
        first = parts[0].config
        config = {
            "architecture": first["architecture"],
            "os": first["os"],
            "created": "1970-01-01T00:00:01Z",
            "config": first["config"],
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": self._put(config) | {"mediaType": _CONFIG},
            "layers": [
                {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}
                for layer in layers
            ],
        }
        entry = self._put(manifest) | {
            "mediaType": _MANIFEST,
            "annotations": {REF_NAME: reference},
        }
        layout = self.root / "layouts" / name
        layout.mkdir(parents=True, exist_ok=True)
        if not (layout / "blobs").is_symlink():
            (layout / "blobs").symlink_to(Path("..", "..", "blobs"))
        _write(layout / "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        index = {"schemaVersion": 2, "manifests": [entry]}
        _write(layout / "index.json", json.dumps(index).encode())
        return layout

    def prune(self) -> int:
        """Delete the blobs that no part and no layout needs; their bytes."""
        needed = {
            layer.digest for record in self._parts.glob("*.json") for layer in _layers(record)
        }
        for index in (self.root / "layouts").glob("*/index.json"):
            top = json.loads(index.read_text())["manifests"][0]
            manifest = _read(self.root, top)
            parts = [top, manifest["config"], *manifest["layers"]]
            needed |= {part["digest"] for part in parts}
        freed = 0
        for blob in self._blobs.iterdir():
            if f"sha256:{blob.name}" not in needed:
                freed += blob.stat().st_size
                blob.unlink()
        return freed

    def _has(self, layer: Layer) -> bool:
        path = self.root / Blob(layer.digest, layer.size).path
        return path.exists() and path.stat().st_size == layer.size

    def _put(self, document: Json) -> Json:
        content = json.dumps(document, sort_keys=True).encode()
        blob = Blob(f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))
        _write(self.root / blob.path, content)
        return {"digest": blob.digest, "size": blob.size}


def _layers(record: Path) -> tuple[Layer, ...]:
    part = _read_part(record)
    return part.layers if part is not None else ()


def _read_part(record: Path) -> Part | None:
    try:
        document = json.loads(record.read_text())
        return Part(tuple(Layer(**layer) for layer in document["layers"]), document["config"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _read(layout: Path, descriptor: Json) -> Json:
    path = layout / Blob(descriptor["digest"], descriptor["size"]).path
    document: Json = json.loads(path.read_text())
    return document


def _write(path: Path, content: bytes) -> None:
    new = path.with_name(path.name + ".new")
    new.write_bytes(content)
    new.replace(path)
