"""Reads OCI image layouts, as folders or archives, and writes the smallest of them.

Blobs are opened by digest, so that whoever sends an image can leave out what the other
side has.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cluster.errors import ClusterError

REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_LAYOUT = b'{"imageLayoutVersion": "1.0.0"}'
_COPY_BYTES = 1 << 20
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Blob:
    """One piece of an image.

    Attributes:
        digest: as in `sha256:…`.
        size: in bytes.
    """

    digest: str
    size: int

    @property
    def path(self) -> str:
        """Its place in a layout."""
        return "blobs/" + self.digest.replace(":", "/")


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a layout.

    Attributes:
        name: full name, as `docker.io/preftrain/trainer:1`.
        descriptor: its entry in the index.
        blobs: manifest, configuration and layers.
        open: opens the file with a path inside the layout.
    """

    name: str
    descriptor: Json
    blobs: tuple[Blob, ...]
    open: Callable[[str], IO[bytes]]

    def write_archive(self, sink: IO[bytes], known: frozenset[str] = frozenset()) -> int:
        """Write the image as a tar stream without the blobs that are known already.

        Returns:
            Bytes of the blobs that were written.
        """
        annotations = self.descriptor.get("annotations", {}) | {CONTAINERD_NAME: self.name}
        index = {"schemaVersion": 2, "manifests": [self.descriptor | {"annotations": annotations}]}
        sent = 0
        _send(sink, "oci-layout", io.BytesIO(_LAYOUT), len(_LAYOUT))
        text = json.dumps(index).encode()
        _send(sink, "index.json", io.BytesIO(text), len(text))
        for blob in self.blobs:
            if blob.digest not in known:
                with self.open(blob.path) as source:
                    _send(sink, blob.path, source, blob.size)
                sent += blob.size
        sink.write(bytes(2 * tarfile.BLOCKSIZE))
        return sent


@contextmanager
def open_image(path: Path, name: str | None = None) -> Iterator[Image]:
    """The image in an OCI layout.

    Args:
        path: a layout's folder, a tar archive of one, or a folder with `manifest.json` and
            the blobs beside it, as `buildah push IMAGE dir:FOLDER` writes them uncompressed.
        name: what to call it; by default the name that it carries.

    Raises:
        ClusterError: not a layout, not exactly one image, or an image without a full name.
    """
    if path.is_dir():
        is_plain = (path / "manifest.json").exists()
        opener = _plain_folder(path) if is_plain else lambda inner: (path / inner).open("rb")
        yield _read(opener, path, name)
        return
    if not path.is_file() or not tarfile.is_tarfile(path):
        raise ClusterError(f"{path} is neither a folder nor a tar archive")
    with tarfile.open(path) as archive:
        members = {member.name.removeprefix("./"): member for member in archive.getmembers()}

        def from_archive(inner: str) -> IO[bytes]:
            opened = archive.extractfile(members[inner]) if inner in members else None
            if opened is None:
                raise FileNotFoundError(inner)
            return opened

        yield _read(from_archive, path, name)


def full_name(name: str) -> str:
    """An image's name with registry and tag, as Kubernetes completes it.

    `preftrain/trainer` is `docker.io/preftrain/trainer:latest`.
    """
    first, slash, _ = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif not ("." in first or ":" in first or first == "localhost"):
        name = f"docker.io/{name}"
    return name if ":" in name.rpartition("/")[2] or "@" in name else f"{name}:latest"


def write_scratch_image(program: Path, name: str, archive: Path) -> Path:
    """Write an image that holds one static program and nothing else, as an OCI archive."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        entry = tarfile.TarInfo(program.name)
        entry.size, entry.mode = program.stat().st_size, 0o755
        with program.open("rb") as source:
            tar.addfile(entry, source)
    content = layer.getvalue()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "amd64")
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"], "User": "65532:65532"},
        "rootfs": {"type": "layers", "diff_ids": [_digest(content)]},
    }
    blobs = {"config": json.dumps(config).encode(), "layer": content}
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _descriptor(blobs["config"], "application/vnd.oci.image.config.v1+json"),
        "layers": [_descriptor(content, "application/vnd.oci.image.layer.v1.tar")],
    }
    blobs["manifest"] = json.dumps(manifest).encode()
    named = _descriptor(blobs["manifest"], _MANIFEST) | {"annotations": {REF_NAME: name}}
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w") as tar:
        _add(tar, "oci-layout", _LAYOUT)
        _add(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [named]}).encode())
        for blob in blobs.values():
            _add(tar, Blob(_digest(blob), len(blob)).path, blob)
    return archive


def _plain_folder(folder: Path) -> Callable[[str], IO[bytes]]:
    """Opens the files of a flat folder as if they lay in a layout."""
    manifest = (folder / "manifest.json").read_bytes()
    top = _descriptor(manifest, json.loads(manifest).get("mediaType", _MANIFEST))

    def opener(inner: str) -> IO[bytes]:
        if inner == "index.json":
            return io.BytesIO(json.dumps({"manifests": [top]}).encode())
        if inner == Blob(top["digest"], top["size"]).path:
            return io.BytesIO(manifest)
        return (folder / Path(inner).name).open("rb")

    return opener


def _read(opener: Callable[[str], IO[bytes]], path: Path, name: str | None) -> Image:
    try:
        with opener("index.json") as source:
            manifests = json.load(source)["manifests"]
        if len(manifests) != 1:
            raise ClusterError(f"{path} holds {len(manifests)} images; one is wanted")
        descriptor = manifests[0]
        top = Blob(descriptor["digest"], descriptor["size"])
        with opener(top.path) as source:
            manifest = json.load(source)
        parts = [manifest["config"], *manifest["layers"]]
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise ClusterError(f"{path} is not an OCI image layout: {error!r}") from None
    annotations = descriptor.get("annotations", {})
    carried = name or annotations.get(CONTAINERD_NAME) or annotations.get(REF_NAME, "")
    if "/" not in carried:
        raise ClusterError(
            f"the image in {path} carries the name {carried!r}; give it a full one, as"
            " preftrain/trainer:1, when it is written or loaded"
        )
    # An image may use one layer twice; a tar must not.
    blobs = dict.fromkeys([top, *(Blob(part["digest"], part["size"]) for part in parts)])
    return Image(full_name(carried), descriptor, tuple(blobs), opener)


def _descriptor(blob: bytes, media_type: str) -> Json:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _send(sink: IO[bytes], name: str, source: IO[bytes], size: int) -> None:
    """Write one file of a tar stream; tarfile's own streams copy 10 kB at a time."""
    entry = tarfile.TarInfo(name)
    entry.size = size
    sink.write(entry.tobuf(tarfile.GNU_FORMAT))
    shutil.copyfileobj(source, sink, _COPY_BYTES)
    sink.write(bytes(-size % tarfile.BLOCKSIZE))


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
