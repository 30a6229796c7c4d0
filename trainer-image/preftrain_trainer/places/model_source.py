"""Finds the files of the base model, pins them, and brings them to a local folder.

Only safetensors weights are taken: pickled ones can run code when they are loaded.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from preftrain_api.spec import ModelSpec
from preftrain_trainer.errors import ModelUnavailable
from preftrain_trainer.places.source import Source, SourceFile, fingerprint

CONFIG: Final = "config.json"
_INDEX: Final = "model.safetensors.index.json"
_SUFFIXES: Final = (".safetensors", ".json", ".txt", ".model", ".jinja", ".tiktoken")


@dataclass(frozen=True, slots=True)
class FetchedModel:
    """A base model that lies in a local folder, whole and of a known commit."""

    folder: Path
    uri: str
    """As the user wrote it; goes into the adapter's configuration."""
    commit: str
    """Commit on the hub, elsewhere a digest of the files."""


def pin_model(source: Source, spec: ModelSpec) -> str:
    """The commit or digest of the model, after a look at what it consists of.

    Raises:
        ModelUnavailable: it has no config.json, no safetensors weights, or lacks a part.
        TrainerError: the place is missing, forbidden or out of reach.
    """
    files = _needed(source.files(), spec)
    names = {file.name: file for file in files}
    if CONFIG not in names:
        raise ModelUnavailable(
            f"model.uri {spec.uri} has no {CONFIG}; point it at a model in the Hugging Face form"
        )
    if not any(name.endswith(".safetensors") for name in names):
        raise ModelUnavailable(
            f"model.uri {spec.uri} has no .safetensors weights; convert the model first"
        )
    if _INDEX in names:
        _check_shards(source, names, spec)
    return source.commit or fingerprint(files)


def fetch_model(source: Source, spec: ModelSpec, commit: str) -> FetchedModel:
    """Bring the pinned model here.

    Raises:
        ModelUnavailable: it is no longer what was pinned.
        TrainerError: it cannot be read.
    """
    found = pin_model(source, spec)
    if found != commit:
        raise ModelUnavailable(
            f"model.uri {spec.uri} has changed since it was checked ({commit} then, {found} "
            "now); raise runRevision to train on the new one"
        )
    return FetchedModel(source.fetch(_needed(source.files(), spec)), spec.uri, commit)


def _needed(files: Sequence[SourceFile], spec: ModelSpec) -> tuple[SourceFile, ...]:
    suffixes = (*_SUFFIXES, ".py") if spec.trust_remote_code else _SUFFIXES
    return tuple(file for file in files if "/" not in file.name and file.name.endswith(suffixes))


def _check_shards(source: Source, names: dict[str, SourceFile], spec: ModelSpec) -> None:
    path = source.fetch((names[_INDEX],)) / _INDEX
    try:
        shards = set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailable(
            f"model.uri {spec.uri}: {_INDEX} is damaged; fetch the model again"
        ) from error
    absent = sorted(shards - names.keys())
    if absent:
        raise ModelUnavailable(
            f"model.uri {spec.uri} lacks {', '.join(absent[:3])}, which {_INDEX} lists; "
            "upload it again"
        )
