"""A file without a name: it is gone when the process is, however that ends."""

import os
import tempfile
import weakref
from pathlib import Path
from typing import Final

from preftrain_trainer.disk import FULL
from preftrain_trainer.errors import ObjectStoreUnavailable

_BUFFER_BYTES: Final = 1 << 20


class ScratchFile:
    """Bytes that are appended, and read at any place.

    Args:
        folder: where it lies; None for the system's folder for such files.
        what: what errors call its content.
    """

    def __init__(self, folder: Path | None, what: str) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._what = what
        self._descriptor, path = tempfile.mkstemp(dir=folder)
        self._folder = Path(path).parent
        Path(path).unlink()
        weakref.finalize(self, os.close, self._descriptor)
        self._buffer = bytearray()

    def append(self, data: bytes) -> None:
        """Write at the end.

        Raises:
            ObjectStoreUnavailable: it cannot be written.
        """
        self._buffer += data
        if len(self._buffer) >= _BUFFER_BYTES:
            self._flush()

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`."""
        if self._buffer:
            self._flush()
        return os.pread(self._descriptor, end - start, start)

    def _flush(self) -> None:
        rest = memoryview(self._buffer)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            if error.errno in FULL:
                raise  # whoever knows the folders says which disk is full
            raise ObjectStoreUnavailable(
                f"{self._what} cannot be kept in {self._folder} ({error.strerror}); "
                "they need as much room there as the files of dataset.uri take unpacked"
            ) from error
        finally:
            rest.release()
        self._buffer = bytearray()
