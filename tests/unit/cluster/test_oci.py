"""Images are read from layouts, named in full, and sent without what the node has."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from cluster.errors import ClusterError
from cluster.oci import CONTAINERD_NAME, full_name, open_image, write_scratch_image


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF made up")
    return write_scratch_image(program, "preftrain/tool:1", tmp_path / "image.tar")


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("preftrain/trainer:1", "docker.io/preftrain/trainer:1"),
        ("localhost/trainer", "localhost/trainer:latest"),
        ("host:5000/trainer", "host:5000/trainer:latest"),
        ("preftrain.local/trainer:1", "preftrain.local/trainer:1"),
    ],
)
def test_names_are_completed_as_kubernetes_does(name: str, full: str) -> None:
    """The kubelet looks for the completed name, so that is what is imported."""
    assert full_name(name) == full


def test_folder_and_archive_are_the_same_image(archive: Path, tmp_path: Path) -> None:
    """What buildah writes as a folder loads as well as a tar of it."""
    folder = tmp_path / "layout"
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    with open_image(archive) as packed, open_image(folder) as unpacked:
        assert packed.name == unpacked.name == "docker.io/preftrain/tool:1"
        assert packed.blobs == unpacked.blobs
        assert len(packed.blobs) == 3


def test_a_flat_folder_is_the_same_image(archive: Path, tmp_path: Path) -> None:
    """What buildah writes as `dir:` has the blobs beside the manifest, and no name."""
    folder = tmp_path / "flat"
    folder.mkdir()
    with open_image(archive) as packed:
        for blob in packed.blobs:
            is_manifest = blob == packed.blobs[0]
            target = folder / ("manifest.json" if is_manifest else Path(blob.path).name)
            with packed.open(blob.path) as source:
                target.write_bytes(source.read())
        with open_image(folder, "preftrain/tool:1") as flat:
            assert flat.blobs == packed.blobs
            sink = io.BytesIO()
            assert flat.write_archive(sink) == sum(blob.size for blob in packed.blobs)
    with pytest.raises(ClusterError, match="carries the name ''"), open_image(folder):
        pass


def test_known_blobs_are_left_out(archive: Path) -> None:
    """The stream holds index and manifest, the name in full, and only the unknown blobs."""
    with open_image(archive, "preftrain/tool:2") as image:
        known = frozenset(blob.digest for blob in image.blobs[1:])
        sink = io.BytesIO()
        assert image.write_archive(sink, known) == image.blobs[0].size
        sink.seek(0)
        with tarfile.open(fileobj=sink) as tar:
            assert tar.getnames() == ["oci-layout", "index.json", image.blobs[0].path]
            index = tar.extractfile("index.json")
            assert index is not None
            annotations = json.load(index)["manifests"][0]["annotations"]
    assert annotations[CONTAINERD_NAME] == "docker.io/preftrain/tool:2"


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    """A wrong path, an empty folder and a foreign tar each say so."""
    missing = tmp_path / "missing"
    with pytest.raises(ClusterError, match="neither a folder nor a tar"), open_image(missing):
        pass
    with pytest.raises(ClusterError, match="is not an OCI image layout"), open_image(tmp_path):
        pass
    other = tmp_path / "other.tar"
    tarfile.open(other, "w").close()
    with pytest.raises(ClusterError, match="is not an OCI image layout"), open_image(other):
        pass


def test_an_image_without_a_full_name_is_refused(tmp_path: Path) -> None:
    """A bare tag would be imported under a name that no pod can use."""
    program = tmp_path / "program"
    program.write_bytes(b"")
    archive = write_scratch_image(program, "latest", tmp_path / "image.tar")
    with pytest.raises(ClusterError, match="the name 'latest'; give it"), open_image(archive):
        pass
