"""A checkpoint as a folder: sealed when it is whole, verified before it is used. No torch."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from preftrain_api.manifest import ManifestFile
from preftrain_trainer.checkpoint.state import ADAPTER, API_GROUP, RESUME, ResumeState
from preftrain_trainer.places.store import file_sha256


class TornCheckpoint(Exception):
    """A checkpoint that is not what it says; `str()` tells what is wrong with it."""


class UnknownForm(Exception):
    """A whole description in a form that this release does not read.

    Attributes:
        form: its `apiVersion`.
        writer: the release that wrote it; None where it does not say.
        problem: what is unknown in it.
    """

    def __init__(self, form: str, writer: str | None, problem: str) -> None:
        super().__init__(problem)
        self.form = form
        self.writer = writer
        self.problem = problem


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


def read_state(data: bytes, release: str | None) -> ResumeState:
    """The content of a `resume.json`, read by the release `release`.

    Raises:
        TornCheckpoint: it is cut off or damaged.
        UnknownForm: it is whole, and another release wrote it in a form of its own.
    """
    try:
        return ResumeState.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        problem = f"{RESUME}: {where}: {first['msg']}"
        form, writer = _written_by(data)
        if form is not None:
            is_new = form != ResumeState.model_fields["api_version"].default
            has_more = any(one["type"] == "extra_forbidden" for one in error.errors())
            if is_new or has_more or writer not in (None, release):
                raise UnknownForm(form, writer, problem) from error
        raise TornCheckpoint(problem) from error


def _written_by(data: bytes) -> tuple[str | None, str | None]:
    """Form and release that a description names; without a form it is none of ours."""
    try:
        value = json.loads(data)
    except ValueError:
        return None, None
    if not isinstance(value, dict):
        return None, None
    form, libraries = value.get("apiVersion"), value.get("versions")
    writer = libraries.get("preftrain") if isinstance(libraries, dict) else None
    is_ours = isinstance(form, str) and form.startswith(API_GROUP)
    return form if is_ours else None, writer if isinstance(writer, str) else None


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
