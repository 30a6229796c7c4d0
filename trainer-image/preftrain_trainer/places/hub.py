"""Models and data on a hub; the one module that imports huggingface_hub.

A branch or tag is resolved to a commit once, and only that commit is read.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal, TypeVar

import httpx
from huggingface_hub import DatasetInfo, HfApi, ModelInfo, snapshot_download, try_to_load_from_cache
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from preftrain_trainer import disk
from preftrain_trainer.errors import InternalError, TrainerError
from preftrain_trainer.places.ref import PlaceRef
from preftrain_trainer.places.retry import PATIENT, QUICK, Patience, Retry, Verdict
from preftrain_trainer.places.source import SourceFile

_Result = TypeVar("_Result")

_API_SECONDS: Final = 5.0
_FAILURES: Final = (HfHubHTTPError, HFValidationError, httpx.HTTPError, OSError)
_FINAL: Final = (
    GatedRepoError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
_PASSING_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})
_DENIED_STATUS: Final = frozenset({401, 403})


class HubSource:
    """Implements `source.Source` for `hf://owner/name`."""

    is_single_file = False

    def __init__(
        self,
        place: PlaceRef,
        revision: str | None,
        secrets: Path,
        retry: Callable[[Patience], Retry] = Retry,
    ) -> None:
        token = secrets / "HF_TOKEN"
        self._place = place
        self._revision = revision
        self._retry = retry
        self._kind: Literal["dataset", "model"] = "dataset" if place.field == "dataset" else "model"
        self._token = token.read_text().strip() if token.is_file() else None
        self._commit: str | None = None
        self._files: tuple[SourceFile, ...] = ()

    @property
    def commit(self) -> str | None:
        """The commit that the revision names."""
        self.files()
        return self._commit

    def files(self) -> Sequence[SourceFile]:
        """The repository's files at the commit."""
        if self._commit is None:
            info = self._try(self._ask, QUICK)
            self._commit = info.sha
            self._files = tuple(
                SourceFile(item.rfilename, item.size or 0, item.blob_id or "")
                for item in info.siblings or ()
            )
        return self._files

    def fetch(self, files: Sequence[SourceFile]) -> Path:
        """Download those files of the commit into the hub's own cache, or find them there."""
        lacking = sum(file.size for file in files if not self._is_cached(file))
        disk.require(Path(HF_HUB_CACHE), lacking, self._place.field)
        return self._try(lambda: self._download(files), PATIENT)

    def _is_cached(self, file: SourceFile) -> bool:
        found = try_to_load_from_cache(
            self._place.uri.root, file.name, revision=self.commit, repo_type=self._kind
        )
        return isinstance(found, str)

    def _ask(self) -> ModelInfo | DatasetInfo:
        api = HfApi(token=self._token)
        ask = api.dataset_info if self._kind == "dataset" else api.model_info
        return ask(
            self._place.uri.root,
            revision=self._revision,
            files_metadata=True,
            timeout=_API_SECONDS,
        )

    def _download(self, files: Sequence[SourceFile]) -> Path:
        return Path(
            snapshot_download(
                self._place.uri.root,
                revision=self.commit,
                repo_type=self._kind,
                allow_patterns=[file.name for file in files],
                token=self._token,
            )
        )

    def _try(self, request: Callable[[], _Result], patience: Patience) -> _Result:
        try:
            return self._retry(patience).run(request, _FAILURES, _judge, asked_pause=_asked_pause)
        except _FAILURES as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> TrainerError:
        place, field, name = self._place, self._place.field, self._place.uri.root
        if isinstance(error, GatedRepoError):
            return place.forbidden(
                f"{name} is gated; accept its terms on the hub and put a token that may read it "
                f"(key HF_TOKEN) into {place.secret}"
            )
        if isinstance(error, RepositoryNotFoundError):
            return place.missing(
                f"the hub has no {self._kind} {name}, or it is private; correct {field}.uri or "
                f"put a token (key HF_TOKEN) into {place.secret}"
            )
        if isinstance(error, RevisionNotFoundError):
            return place.missing(
                f"{name} has no revision {self._revision or 'main'}; correct {field}.revision"
            )
        if isinstance(error, HFValidationError):
            return place.missing(f"{error}; correct {field}.uri")
        if _status(error) in _DENIED_STATUS:
            return place.forbidden(
                f"the hub refuses the token ({_status(error)}); put one that may read {name} "
                f"(key HF_TOKEN) into {place.secret}"
            )
        if isinstance(error, OSError) and error.errno in disk.FULL:
            cache = Path(HF_HUB_CACHE)
            return InternalError(
                f"{cache} is full: {disk.size(disk.free_bytes(cache))} free, too little for "
                f"{name}; enlarge the volume behind it (compute.cache)"
            )
        pause = _asked_pause(error)
        later = f" and asks to wait {pause:.0f} s" if pause else ""
        return place.unreachable(
            f"{_reason(error)}{later}; check the network and HF_ENDPOINT, or copy {name} to a "
            "bucket or volume"
        )


def _judge(error: Exception) -> Verdict:
    status = _status(error)
    if isinstance(error, _FINAL) or (status is not None and status not in _PASSING_STATUS):
        return "Final"
    full = isinstance(error, OSError) and error.errno in disk.FULL
    return "Final" if full else "Passing"


def _status(error: Exception) -> int | None:
    return error.response.status_code if isinstance(error, HfHubHTTPError) else None


def _asked_pause(error: Exception) -> float:
    """The seconds of Retry-After, by which an overloaded hub says when to come back."""
    if not isinstance(error, HfHubHTTPError):
        return 0.0
    asked = error.response.headers.get("Retry-After", "")
    return float(asked) if asked.isdigit() else 0.0


def _reason(error: Exception) -> str:
    if isinstance(error, LocalEntryNotFoundError | OfflineModeIsEnabled):
        return "the hub cannot be reached"
    if isinstance(error, HfHubHTTPError):
        return f"the hub answers {_status(error)}"
    return next(iter(str(error).splitlines()), type(error).__name__)
