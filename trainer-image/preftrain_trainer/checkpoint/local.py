"""A checkpoint as a folder: sealed when it is whole, verified before it is used. No torch."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from preftrain_api.manifest import ManifestFile
from preftrain_trainer.checkpoint.state import ADAPTER, RESUME, ResumeState
from preftrain_trainer.places.store import file_sha256


class TornCheckpoint(Exception):
    """A checkpoint that is not what it says; `str()` tells what is wrong with it."""


class Describe(Protocol):
    """Makes the content of `resume.json` once the files are known."""

    def __call__(self, *, files: tuple[ManifestFile, ...], adapter_sha256: str) -> ResumeState:
        """The state that lists `files`."""
        ...


def seal(folder: Path, describe: Describe) -> ResumeState:
    """Write `resume.json` with the digests of all files in `folder`, which are complete.

    Raises:
        OSError: the disk is full or fails.
    """
    files = tuple(
        ManifestFile(path=path.name, size=path.stat().st_size, sha256=file_sha256(path))
        for path in sorted(folder.iterdir())
        if path.name != RESUME
    )
    state = describe(files=files, adapter_sha256=tensors_sha256(read_tensors(folder / ADAPTER)))
    with (folder / RESUME).open("wb") as stream:
        stream.write(state.model_dump_json(by_alias=True, exclude_none=True, indent=1).encode())
        stream.flush()
        os.fsync(stream.fileno())
    return state


def read_state(data: bytes) -> ResumeState:
    """The content of a `resume.json`.

    Raises:
        TornCheckpoint: it is cut off, or of another release.
    """
    try:
        return ResumeState.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise TornCheckpoint(f"{RESUME}: {where}: {first['msg']}") from error


def verify(folder: Path, state: ResumeState) -> None:
    """Hold every file in `folder` against `state`.

    Raises:
        TornCheckpoint: a file is missing, cut off or another one.
    """
    for file in state.files:
        require_plain(file.path)
        path = folder / file.path
        if not path.is_file():
            raise TornCheckpoint(f"{file.path} is missing")
        if path.stat().st_size != file.size:
            raise TornCheckpoint(f"{file.path} has {path.stat().st_size} bytes, not {file.size}")
        if file_sha256(path) != file.sha256:
            raise TornCheckpoint(f"{file.path} has another SHA-256 than was saved")
    if tensors_sha256(read_tensors(folder / ADAPTER)) != state.adapter_sha256:
        raise TornCheckpoint(f"{ADAPTER} holds other tensors than were saved")


def require_plain(name: str) -> None:
    """Refuse a name that leads out of the folder.

    Raises:
        TornCheckpoint: it does.
    """
    if name in ("", ".", "..") or Path(name).name != name:
        raise TornCheckpoint(f"{name!r} is no plain name of a file")


def read_tensors(path: Path) -> dict[str, Any]:
    """All tensors of a safetensors file, as numpy arrays by name."""
    from safetensors.numpy import load_file

    return dict(load_file(path))


def tensors_sha256(tensors: Mapping[str, Any]) -> str:
    """Digest over names, types, shapes and values, whatever the order."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {value.shape}\n".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
