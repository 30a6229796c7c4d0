"""The store of images: what it joins, what it keeps, and what a node reads out of it."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from cluster.oci import open_image
from cluster.report import Heartbeat
from images.layers import pack
from images.store import Layer, Part, Store

needs_tools = pytest.mark.skipif(
    shutil.which("zstd") is None, reason="needs the program zstd, which building installs"
)
CONFIG = {"architecture": "amd64", "os": "linux", "config": {"User": "65532:65532"}}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def add(store: Store, content: bytes) -> Layer:
    """A layer with some content; only digests matter to the store."""
    path = store.scratch() / "blob"
    path.write_bytes(content)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    blob = store.adopt(path, digest)
    return Layer(blob.digest, blob.size, "application/vnd.oci.image.layer.v1.tar", digest)


def test_joined_image_is_readable_by_the_cluster(store: Store) -> None:
    """Layers in order, the first part's configuration, and the name with its tag."""
    with store.lock():
        system, code = Part((add(store, b"system"),), CONFIG), Part((add(store, b"code"),), {})
        layout = store.write_image("x", "preftrain/x:1", [system, code])
    with open_image(layout) as image:
        assert image.name == "docker.io/preftrain/x:1"
        contents = []
        for blob in image.blobs:
            with image.open(blob.path) as opened:
                contents.append(opened.read())
    manifest, config = (json.loads(content) for content in contents[:2])
    assert contents[2:] == [b"system", b"code"]
    assert [layer["digest"] for layer in manifest["layers"]] == config["rootfs"]["diff_ids"]
    assert config["config"] == {"User": "65532:65532"}


def test_joining_again_changes_nothing(store: Store) -> None:
    """The same parts make the same image, so a node that has it is not sent it."""
    with store.lock():
        parts = [Part((add(store, b"system"),), CONFIG)]
        index = store.write_image("x", "preftrain/x:1", parts) / "index.json"
        first = index.read_bytes()
        store.write_image("x", "preftrain/x:1", parts)
    assert index.read_bytes() == first


def test_a_part_is_made_once(store: Store) -> None:
    """While its key and its blobs are there, a part is not built again."""
    made = []

    def make() -> Part:
        made.append(1)
        return Part((add(store, b"layer"),), CONFIG)

    with store.lock():
        first = store.part("packages", "a" * 64, make)
        assert store.part("packages", "a" * 64, make) == first
        assert len(made) == 1
        next((store.root / "blobs" / "sha256").iterdir()).unlink()
        store.part("packages", "a" * 64, make)
    assert len(made) == 2


def test_an_interrupted_build_leaves_no_part(store: Store) -> None:
    """A failure while a part is made is a failure again next time, and its files go."""

    def fail() -> Part:
        (store.scratch() / "half").write_bytes(b"x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), store.lock():
        store.part("packages", "a" * 64, fail)
    assert not list(store.root.rglob("half"))
    with store.lock():
        made = store.part("packages", "a" * 64, lambda: Part((add(store, b"layer"),), CONFIG))
    assert len(made.layers) == 1


def test_prune_keeps_what_is_in_use(store: Store) -> None:
    """What only an older part of the same name needed is deleted; images in use stay whole."""
    with store.lock():
        old = store.part("code", "a" * 64, lambda: Part((add(store, b"old"),), CONFIG))
        new = store.part("code", "b" * 64, lambda: Part((add(store, b"new"),), CONFIG))
        layout = store.write_image("x", "preftrain/x:2", [new])
        assert store.prune() == len(b"old")
        assert store.prune() == 0
    with open_image(layout) as image:
        held = {blob.digest for blob in image.blobs}
    assert new.layers[0].digest in held
    assert old.layers[0].digest not in held


def unpacked(store: Store, layer: Layer) -> dict[str, tarfile.TarInfo]:
    blob = store.root / "blobs" / layer.digest.replace(":", "/")
    content = subprocess.run(["zstd", "-dc", blob], capture_output=True, check=True).stdout
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == layer.diff_id
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {entry.name: entry for entry in archive.getmembers()}


@needs_tools
def test_layer_holds_the_folder_for_any_user(store: Store, tmp_path: Path) -> None:
    """Root owns everything, everybody may read it, hard links are files, links stay links."""
    folder = tmp_path / "here" / "preftrain"
    folder.mkdir(parents=True)
    (folder / "private").write_text("x")
    (folder / "private").chmod(0o600)
    (folder / "again").hardlink_to(folder / "private")
    (folder / "python").symlink_to("/usr/bin/python3")
    (folder / "program").write_text("x")
    (folder / "program").chmod(0o700)
    with store.lock():
        layer = pack(folder, "opt", store, Heartbeat("packing"))
        entries = unpacked(store, layer)
    assert set(entries) == {
        "opt/preftrain",
        *(f"opt/preftrain/{name}" for name in ("private", "again", "python", "program")),
    }
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries.values()} == {(0, 0, 1)}
    assert entries["opt/preftrain/private"].mode & 0o777 == 0o644
    assert entries["opt/preftrain/again"].isreg()
    assert entries["opt/preftrain/program"].mode & 0o777 == 0o755
    assert entries["opt/preftrain/python"].linkname == "/usr/bin/python3"


@needs_tools
def test_same_content_same_digest(store: Store, tmp_path: Path) -> None:
    """Order of creation, times and owners do not reach the layer."""
    layers = []
    with store.lock():
        for order in (("a", "b"), ("b", "a")):
            folder = tmp_path / order[0] / "preftrain"
            folder.mkdir(parents=True)
            for name in order:
                (folder / name).write_text(name)
            layers.append(pack(folder, "opt", store, Heartbeat("packing")))
    assert layers[0] == layers[1]
