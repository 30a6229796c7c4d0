"""Models and data in S3, below a prefix or as one object."""

from collections.abc import Callable, Sequence
from pathlib import Path

from preftrain_trainer import disk
from preftrain_trainer.places.ref import PlaceRef
from preftrain_trainer.places.retry import PATIENT, QUICK, Patience
from preftrain_trainer.places.s3 import Bucket
from preftrain_trainer.places.source import SourceFile, fingerprint


class S3Source:
    """Implements `source.Source`.

    It is looked at quickly, so that a place out of reach is told within seconds, and downloaded
    with patience.
    """

    commit = None

    def __init__(self, place: PlaceRef, opened: Callable[[Patience], Bucket], cache: Path) -> None:
        """`opened` makes a bucket that is rooted at the bucket itself."""
        self._place = place
        self._opened = opened
        self._cache = cache
        self._path = place.uri.path
        self._found: tuple[SourceFile, ...] | None = None
        self._single = False

    @property
    def is_single_file(self) -> bool:
        """Whether the uri is the key of an object."""
        self.files()
        return self._single

    def files(self) -> Sequence[SourceFile]:
        """The objects below the uri, or the one that it names."""
        if self._found is None:
            self._found = self._list()
        return self._found

    def fetch(self, files: Sequence[SourceFile]) -> Path:
        """Download what the cache does not hold yet."""
        self.files()
        folder = self._cache / fingerprint(files).removeprefix("sha256:")[:16]
        lacking = [file for file in files if not _is_there(folder / file.name, file)]
        if lacking:
            disk.require(folder, sum(file.size for file in lacking), self._place.field)
            bucket = self._opened(PATIENT)
            for file in lacking:
                key = self._path if self._single else self._key(file.name)
                bucket.download(key, folder / file.name)
        return folder

    def _list(self) -> tuple[SourceFile, ...]:
        bucket = self._opened(QUICK)
        found = tuple(
            SourceFile(item.key.removeprefix(self._key("")), item.size, item.tag)
            for item in bucket.list(self._key(""))
            if not item.key.endswith("/")
        )
        for file in found:
            # A key may hold anything; below the cache it is a path.
            if ".." in Path(file.name).parts or Path(file.name).is_absolute():
                raise self._place.forbidden(
                    f"the key {file.name} would leave the folder it is downloaded to; rename it"
                )
        if found:
            return found
        single = bucket.head(self._path) if self._path else None
        if single is None:
            raise self._place.missing(f"there is nothing below it; correct {self._place.field}.uri")
        self._single = True
        return (SourceFile(Path(self._path).name, single.size, single.tag),)

    def _key(self, name: str) -> str:
        return f"{self._path}/{name}" if self._path else name


def _is_there(path: Path, file: SourceFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size
