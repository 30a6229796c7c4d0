"""Models and data on a hub; the one module that imports huggingface_hub.

A branch or tag is resolved to a commit once, and only that commit is read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import httpx
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from preftrain_trainer.places.ref import PlaceRef
from preftrain_trainer.places.source import SourceFile

_API_SECONDS = 10.0


class HubSource:
    """Implements `source.Source` for `hf://owner/name`."""

    is_single_file = False

    def __init__(self, place: PlaceRef, revision: str | None, secrets: Path) -> None:
        token = secrets / "HF_TOKEN"
        self._place = place
        self._revision = revision
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
            with self._explained():
                api = HfApi(token=self._token)
                ask = api.dataset_info if self._kind == "dataset" else api.model_info
                info = ask(
                    self._place.uri.root,
                    revision=self._revision,
                    files_metadata=True,
                    timeout=_API_SECONDS,
                )
            self._commit = info.sha
            self._files = tuple(
                SourceFile(item.rfilename, item.size or 0, item.blob_id or "")
                for item in info.siblings or ()
            )
        return self._files

    def fetch(self, files: Sequence[SourceFile]) -> Path:
        """Download those files of the commit into the hub's own cache, or find them there."""
        with self._explained():
            return Path(
                snapshot_download(
                    self._place.uri.root,
                    revision=self.commit,
                    repo_type=self._kind,
                    allow_patterns=[file.name for file in files],
                    token=self._token,
                )
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        field, name = self._place.field, self._place.uri.root
        try:
            yield
        except GatedRepoError as error:
            raise self._place.forbidden(
                f"{name} is gated; accept its terms on the hub and put a token that may read it "
                f"(key HF_TOKEN) into {self._place.secret}"
            ) from error
        except RepositoryNotFoundError as error:
            raise self._place.missing(
                f"the hub has no {self._kind} {name}, or it is private; correct {field}.uri or "
                f"put a token (key HF_TOKEN) into {self._place.secret}"
            ) from error
        except RevisionNotFoundError as error:
            raise self._place.missing(
                f"{name} has no revision {self._revision or 'main'}; correct {field}.revision"
            ) from error
        except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
            if isinstance(error, LocalEntryNotFoundError | OfflineModeIsEnabled):
                reason = "the hub cannot be reached"
            else:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise self._place.unreachable(
                f"{reason}; check the network and HF_ENDPOINT, or copy {name} to a bucket or volume"
            ) from error
