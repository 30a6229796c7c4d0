"""Results in a folder: a mounted volume, or a path on a workstation.

Objects are files; each appears whole under its name, by hard link or rename.
"""

import errno
import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from preftrain_trainer import disk
from preftrain_trainer.places.ref import PlaceRef
from preftrain_trainer.places.store import (
    ANYTHING,
    LARGEST_READ_BYTES,
    Condition,
    ConditionsUnsupported,
    StoredObject,
    file_sha256,
)

_log = logging.getLogger("preftrain")

_PART: Final = ".part-"
_COPY: Final = ".part-copy-"
"""Copies of files can be large, so those that were cut short are worth finding again."""
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class FolderStore:
    """Implements `store.ObjectStore`.

    `tag` is the digest of the content; digests are computed when asked for.
    """

    def __init__(self, place: PlaceRef, root: Path, url: str) -> None:
        """`root` is where the folder is mounted here, `url` what the user knows it by."""
        self._place = place
        self._root = root
        self._url = url

    def url(self, key: str) -> str:
        """The object as the user would name it."""
        return f"{self._url}/{key}" if key else self._url

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and tag, or None."""
        with self._explained():
            path = self._root / key
            try:
                if (size := path.stat().st_size) > LARGEST_READ_BYTES:
                    raise self._place.too_large(self.url(key), size)
                data = path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return data, hashlib.sha256(data).hexdigest()

    def head(self, key: str) -> StoredObject | None:
        """Size and digest, or None."""
        path = self._root / key
        with self._explained():
            if not path.is_file():
                return None
            digest = file_sha256(path)
            return StoredObject(key, path.stat().st_size, digest, digest)

    def digest(self, key: str) -> str | None:
        """The same digest as `head`, which reads the file too."""
        found = self.head(key)
        return None if found is None else found.sha256

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Files whose relative path starts with `prefix`; tags are size and time here.

        What another pod removes meanwhile is left out.
        """
        with self._explained():
            found = sorted(self._files())
        for key, size, changed in found:
            if key.startswith(prefix):
                yield StoredObject(key, size, f"{size}-{changed}")

    def put(self, key: str, data: bytes, condition: Condition = ANYTHING) -> bool:
        """Write a part file and let it appear under its name."""
        with self._explained(len(data)), self._part(key, _PART) as part:
            part.write_bytes(data)
            return self._appear(part, key, condition)

    def put_file(self, key: str, path: Path, sha256: str, condition: Condition = ANYTHING) -> bool:
        """Copy a file; its digest needs no storing, because it can be computed."""
        del sha256
        with self._explained(path.stat().st_size), self._part(key, _COPY) as part:
            shutil.copyfile(path, part)
            return self._appear(part, key, condition)

    def fetch(self, key: str, path: Path) -> bool:
        """Copy a file."""
        part = path.with_name(path.name + _PART)
        with self._explained():
            try:
                shutil.copyfile(self._root / key, part)
            except (FileNotFoundError, NotADirectoryError):
                return False
        part.replace(path)
        return True

    def delete(self, key: str) -> None:
        """Remove a file, and its folder with the last one in it."""
        path = self._root / key
        with self._explained():
            path.unlink(missing_ok=True)
        if path.parent != self._root:
            with suppress(OSError):  # it is not empty, or was never there
                path.parent.rmdir()

    def discard_unfinished(self) -> None:
        """Remove the copies that were cut short.

        Not the parts of small objects: another pod may be taking the claim at this moment.
        """
        try:
            for part in self._root.rglob(f".*{_COPY}*"):
                part.unlink(missing_ok=True)
        except OSError as error:
            # They cost space and nothing else.
            _log.warning("unfinished copies of earlier attempts stay: %s", error)

    def _files(self) -> Iterator[tuple[str, int, int]]:
        """Key, size and time of change of every file, in no order."""

        def unless_gone(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):
                raise error

        for folder, _, names in os.walk(self._root, onerror=unless_gone):
            for name in names:
                path = Path(folder, name)
                if _PART in name or not path.is_file():
                    continue
                with suppress(FileNotFoundError):
                    status = path.stat()
                    key = path.relative_to(self._root).as_posix()
                    yield key, status.st_size, status.st_mtime_ns

    def _appear(self, part: Path, key: str, condition: Condition) -> bool:
        target = self._root / key
        # A manifest that survives a crash of the node must not name files that did not.
        _sync(part)
        appeared = self._named(part, target, condition)
        with suppress(OSError):  # not every network file system can
            _sync(target.parent)
        return appeared

    def _named(self, part: Path, target: Path, condition: Condition) -> bool:
        if condition.absent:
            # A link fails where the name exists; a rename would overwrite.
            try:
                os.link(part, target)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno in _NO_LINKS:
                    raise self._unconditional() from error
                raise
            return True
        if condition.tag is None:
            part.replace(target)
            return True
        with self._locked():
            if not target.is_file() or file_sha256(target) != condition.tag:
                return False
            part.replace(target)
        return True

    @contextmanager
    def _part(self, key: str, mark: str) -> Iterator[Path]:
        target = self._root / key
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}{mark}", dir=target.parent)
        os.close(descriptor)
        part = Path(name)
        try:
            part.chmod(0o644)
            yield part
        finally:
            part.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        folder = os.open(self._root, os.O_RDONLY)
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
            except OSError as error:
                raise self._unconditional() from error
            yield
        finally:
            os.close(folder)

    def _unconditional(self) -> ConditionsUnsupported:
        return ConditionsUnsupported(
            f"{self._root}: its file system has no hard links or no locks, so nothing can be "
            f"written on a condition; check the volume behind {self._place.field}.uri"
        )

    @contextmanager
    def _explained(self, needed_bytes: int = 0) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in disk.FULL:
                free = disk.size(disk.free_bytes(self._root))
                raise self._place.forbidden(
                    f"{self._root} is full: {free} free, and the next file needs "
                    f"{disk.size(needed_bytes)}; make room, or choose a larger volume for "
                    f"{self._place.field}.uri"
                ) from error
            raise self._place.forbidden(
                f"{error.filename or self._root}: {error.strerror}; "
                f"make the folder writable or choose another {self._place.field}.uri"
            ) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
