"""Disks that are full: which folder, how much is needed, and nothing half-written is visible."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest

from preftrain_api.exit_codes import ExitCode
from preftrain_trainer import disk
from preftrain_trainer.errors import BadSpec, InternalError, ObjectStoreUnavailable
from preftrain_trainer.places.folder_store import FolderStore
from preftrain_trainer.places.ref import PlaceRef
from preftrain_trainer.places.store import probe
from support.publication import attempt, results, visible
from support.trainer_cases import preftrain, run_spec, text_rows, write_model, write_rows

pytestmark = pytest.mark.integration

MIB = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB; only root can make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def folder_store(root: Path, tmp_path: Path) -> FolderStore:
    output = run_spec(tmp_path, output={"uri": f"file://{root}"}).spec.output
    return FolderStore(PlaceRef.of("output", output.uri, output), root, output.uri)


@pytest.mark.fault(20)
def test_a_full_output_folder_is_told_and_holds_nothing_half(
    small_disk: Path, tmp_path: Path
) -> None:
    """The message says what the next file needs; with more room the next attempt completes."""
    store = folder_store(small_disk, tmp_path)
    left = results(tmp_path / "pod", b"x" * 2 * MIB)

    with pytest.raises(ObjectStoreUnavailable, match=r"the next file needs 2\.0 MiB") as told:
        attempt(store, "pod-1", run_spec(tmp_path), left)

    assert f"{small_disk} is full: " in str(told.value)
    assert "choose a larger volume for output.uri" in str(told.value)
    assert visible(store) is None
    assert not [path for path in small_disk.rglob("*") if ".part-" in path.name]
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    artifact = attempt(store, "pod-2", run_spec(tmp_path), left)
    assert visible(store) == artifact.digest


@pytest.mark.fault(20)
def test_a_full_disk_is_told_without_root_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quota that is used up is no other thing."""
    store = folder_store(tmp_path / "out", tmp_path)

    def full(*_: object) -> NoReturn:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(shutil, "copyfile", full)

    with pytest.raises(ObjectStoreUnavailable, match="is full: "):
        attempt(store, "pod-1", run_spec(tmp_path), results(tmp_path / "pod"))

    assert visible(store) is None
    assert [item.key for item in store.list()] == ["claim.json"]


def test_a_volume_that_is_mounted_read_only_is_told(small_disk: Path, tmp_path: Path) -> None:
    """Found out by the probe, before anything is trained."""
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    with pytest.raises(ObjectStoreUnavailable, match="Read-only file system; make the folder"):
        probe(folder_store(small_disk, tmp_path))


@pytest.mark.fault(20)
def test_a_full_workspace_ends_with_70(small_disk: Path, tmp_path: Path) -> None:
    """The message names the folder, not a traceback."""
    write_model(tmp_path / "volumes" / "model" / "base")
    write_rows(tmp_path / "volumes" / "dataset" / "pairs.jsonl", text_rows(50))
    run = run_spec(
        tmp_path,
        model={"uri": "pvc://models/base", "quantization": "None"},
        dataset={"uri": "pvc://data/pairs.jsonl"},
        output={"uri": "pvc://results/x"},
    )
    (tmp_path / "run.json").write_text(run.model_dump_json(by_alias=True, exclude_none=True))
    with suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
        while filler.write(b"x" * 4096):
            pass

    ended = preftrain(
        "prepare",
        env={
            "PREFTRAIN_RUN_SPEC": str(tmp_path / "run.json"),
            "PREFTRAIN_WORK_DIR": str(small_disk),
            "PREFTRAIN_CACHE_DIR": str(tmp_path / "cache"),
            "PREFTRAIN_VOLUMES_DIR": str(tmp_path / "volumes"),
            "PREFTRAIN_TERMINATION_LOG": str(tmp_path / "log"),
        },
    )

    assert ended.returncode == ExitCode.INTERNAL
    assert f"{small_disk} is full: " in ended.stderr
    assert "enlarge the volume behind it" in (tmp_path / "log").read_text()


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes every disk have that many free bytes."""

    def apply(count: int) -> None:
        monkeypatch.setattr(disk, "free_bytes", lambda _: count)

    return apply


@pytest.mark.fault(20)
def test_a_download_that_cannot_end_is_not_begun(
    tmp_path: Path, free: Callable[[int], None]
) -> None:
    """Both sizes are said."""
    free(2048)
    disk.require(tmp_path, 2048, "model")

    with pytest.raises(InternalError, match=r"has 2\.0 KiB free and the model needs 3\.0 GiB"):
        disk.require(tmp_path, 3 * 1024**3, "model")


def test_whatever_fails_on_a_full_disk_is_told_as_that(
    tmp_path: Path, free: Callable[[int], None]
) -> None:
    """Libraries wrap failed writes in errors of their own."""
    free(100)

    with (
        pytest.raises(InternalError, match=r"100 bytes free, too little for what .* \(KeyError\)"),
        disk.explained(tmp_path),
    ):
        raise KeyError("writer")
    with (
        pytest.raises(InternalError, match=r"too little for /work/adapter/x"),
        disk.explained(tmp_path),
    ):
        raise OSError(errno.ENOSPC, "full", "/work/adapter/x")


def test_other_failures_stay_what_they_are(tmp_path: Path, free: Callable[[int], None]) -> None:
    """With space left, or with a sentence of their own."""
    free(100)
    with pytest.raises(BadSpec), disk.explained(tmp_path):
        raise BadSpec("spec.x is wrong")
    free(MIB)
    with pytest.raises(KeyError), disk.explained(tmp_path):
        raise KeyError("bug")


def test_space_is_asked_where_a_folder_will_be(tmp_path: Path) -> None:
    """A cache that does not exist yet lies on its parent's disk."""
    assert disk.free_bytes(tmp_path / "a" / "b") > 0
