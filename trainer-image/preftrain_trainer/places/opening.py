"""Opens the places of a spec: which scheme is served by which source and store."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from preftrain_api.places import PlaceUri
from preftrain_api.run_spec import RunSpec
from preftrain_api.spec import DatasetSpec, ModelSpec, PreferenceTrainingJobSpec
from preftrain_trainer.places.folder_source import FolderSource
from preftrain_trainer.places.folder_store import FolderStore
from preftrain_trainer.places.ref import PlaceRef
from preftrain_trainer.places.retry import PATIENT, QUICK, Patience, Retry
from preftrain_trainer.places.source import Source
from preftrain_trainer.places.store import ObjectStore
from preftrain_trainer.workspace import Workspace

if TYPE_CHECKING:
    from preftrain_trainer.places.s3 import Bucket


def open_source(spec: ModelSpec | DatasetSpec, workspace: Workspace) -> Source:
    """What `model.uri` or `dataset.uri` stands for; nothing is read yet."""
    place = PlaceRef.of("model" if isinstance(spec, ModelSpec) else "dataset", spec.uri, spec)
    if place.uri.scheme == "hf":
        from preftrain_trainer.places.hub import HubSource

        return HubSource(place, spec.revision, workspace.secrets / place.field)
    if place.uri.scheme == "s3":
        from preftrain_trainer.places.s3_source import S3Source

        return S3Source(
            place, partial(_bucket, place, workspace, ""), workspace.cache / place.field
        )
    return FolderSource(place, _local(place, workspace))


def open_output(run: RunSpec, workspace: Workspace, *, patient: bool) -> ObjectStore:
    """The folder of this revision below `output.uri`.

    `patient` chooses between failing within seconds and trying for minutes.
    """
    output = run.spec.output
    return _open(PlaceRef.of("output", output.uri, output), run, workspace, patient=patient)


def open_checkpoints(run: RunSpec, workspace: Workspace, *, patient: bool) -> ObjectStore:
    """The folder of this revision below `checkpoint.uri`, which a resolved spec has."""
    checkpoint = run.spec.checkpoint
    if checkpoint is None or checkpoint.uri is None:
        raise ValueError("the spec is not resolved: it has no checkpoint.uri")
    place = PlaceRef.of("checkpoint", checkpoint.uri, checkpoint)
    return _open(place, run, workspace, patient=patient)


def checkpoints_with_output(spec: PreferenceTrainingJobSpec) -> bool:
    """Whether checkpoints go to the place of the results, as they do by default."""
    checkpoint, output = spec.checkpoint, spec.output
    return checkpoint is not None and (checkpoint.uri, checkpoint.secret_ref, checkpoint.s3) == (
        output.uri,
        output.secret_ref,
        output.s3,
    )


def _open(place: PlaceRef, run: RunSpec, workspace: Workspace, *, patient: bool) -> ObjectStore:
    prefix = run.identity.key_prefix
    if place.uri.scheme == "s3":
        folder = f"{place.uri.path}/{prefix}"
        return _bucket(place, workspace, folder, PATIENT if patient else QUICK)
    root = _local(place, workspace)
    url = str(place.uri) if place.uri.scheme == "pvc" else f"file://{root}"
    return FolderStore(place, root / prefix, f"{url}/{prefix}")


def _bucket(place: PlaceRef, workspace: Workspace, prefix: str, patience: Patience) -> "Bucket":
    from preftrain_trainer.places.s3 import Bucket
    from preftrain_trainer.places.s3_client import Connection

    connection = Connection(place, workspace.secrets / place.field, patience)
    return Bucket(place, connection, prefix, Retry(patience))


def _local(place: PlaceRef, workspace: Workspace) -> Path:
    uri: PlaceUri = place.uri
    if uri.scheme == "pvc":
        return workspace.volumes / place.field / uri.path
    return (workspace.base / Path(uri.path).expanduser()).resolve()
