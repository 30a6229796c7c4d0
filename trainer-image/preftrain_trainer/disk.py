"""Disks that are full: found out before a large download, and told when it happens anyway."""

import errno
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from preftrain_trainer.errors import InternalError, TrainerError

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""How writing fails where there is no space, or no more of it for this user."""

_LEAST_BYTES: Final = 64 * 1024
"""A folder with less free space counts as full: file systems keep a few blocks to themselves, so
the last write fails before the count reaches zero."""

_WAY_OUT: Final = "enlarge the volume behind it, or the node's ephemeral storage, and run it again"


def free_bytes(folder: Path) -> int:
    """Space that this user may still fill where `folder` is, or will be made."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def size(count: int) -> str:
    """A number of bytes, for people."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def require(folder: Path, needed_bytes: int, what: str) -> None:
    """Refuse to begin a download that cannot end.

    Raises:
        InternalError: there is not enough space.
    """
    free = free_bytes(folder)
    if free < needed_bytes:
        raise InternalError(
            f"{folder} has {size(free)} free and the {what} needs {size(needed_bytes)}; {_WAY_OUT}"
        )


@contextmanager
def explained(*folders: Path) -> Iterator[None]:
    """Tell whatever fails while one of the folders is full as what it is.

    Libraries wrap a failed write in errors of their own, so the disk is asked, not the error.

    Raises:
        InternalError: something failed and a folder is full.
    """
    try:
        yield
    except TrainerError:
        raise
    except Exception as error:
        full = _full(folders)
        if full is None:
            raise
        needed = _needed(error)
        raise InternalError(
            f"{full} is full: {size(free_bytes(full))} free, {needed}; {_WAY_OUT}"
        ) from error


def _full(folders: Sequence[Path]) -> Path | None:
    return next((folder for folder in folders if free_bytes(folder) < _LEAST_BYTES), None)


def _needed(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"too little for {error.filename}"
    return f"too little for what was being written ({type(error).__name__})"
