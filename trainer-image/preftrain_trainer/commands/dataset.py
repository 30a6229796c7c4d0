"""What `audit` and `advise` share: data without a manifest, or those of one."""

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from preftrain_trainer.disk import explained
from preftrain_trainer.errors import BadSpec

if TYPE_CHECKING:
    from preftrain_api.spec import PreferenceTrainingJobSpec
    from preftrain_trainer.data.pairs import LoadedData
    from preftrain_trainer.places.source import Source

_MANIFESTS: Final = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Opened:
    """Data that were read, with what they are read for.

    Attributes:
        spec: resolved.
        model: whose tokenizer may be asked; None when none is named.
    """

    spec: "PreferenceTrainingJobSpec"
    loaded: "LoadedData"
    model: "Source | None"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What both take."""
    parser.add_argument("data", help="a file, a folder, a uri, or a manifest (.yaml)")
    parser.add_argument("--model", metavar="DIR", help="folder or uri: look at tokens, too")
    parser.add_argument("--split", help="split of a folder or hub data set (default: train)")
    parser.add_argument("--eval-split", help="split that is held out")
    parser.add_argument("--format", choices=("Auto", "Paired", "Unpaired"), help="default: Auto")
    parser.add_argument(
        "--columns",
        type=_columns,
        metavar="PART=NAME,...",
        help="columns with other names, for example prompt=question,chosen=better",
    )
    parser.add_argument("--max-length", type=int, help="tokens of an example (default: 2048)")


@contextmanager
def opened(arguments: argparse.Namespace, policy: str | None) -> Iterator[Opened]:
    """Read the data; `policy` replaces the manifest's.

    Raises:
        TrainerError: they cannot be read.
    """
    from preftrain_trainer.commands.workstation import on_workstation
    from preftrain_trainer.data.load import load
    from preftrain_trainer.places.opening import open_source

    path = Path(arguments.data)
    is_manifest = path.suffix.lower() in _MANIFESTS
    spec = _of_manifest(path, arguments) if is_manifest else _of_data(arguments)
    if policy is not None:
        spec = _with_policy(spec, policy)
    workspace = on_workstation(path.absolute().parent if is_manifest else Path.cwd())
    try:
        with explained(workspace.work, workspace.cache):
            loaded = load(open_source(spec.dataset, workspace), spec, workspace.data)
        if not is_manifest:
            spec = _for_kind(spec, loaded.kind)
        named = is_manifest or arguments.model is not None
        yield Opened(spec, loaded, open_source(spec.model, workspace) if named else None)
    finally:
        shutil.rmtree(workspace.work, ignore_errors=True)


def _of_manifest(path: Path, arguments: argparse.Namespace) -> "PreferenceTrainingJobSpec":
    from preftrain_trainer.job_file import read_job

    for option in ("model", "split", "eval_split", "format", "columns", "max_length"):
        if vars(arguments)[option] is not None:
            raise BadSpec(
                f"--{option.replace('_', '-')} is for data without a manifest; correct {path}"
            )
    return read_job(path, None).spec


def _of_data(arguments: argparse.Namespace) -> "PreferenceTrainingJobSpec":
    """The smallest job on the data: what is not named here plays no part in an audit."""
    from preftrain_api.problems import problems_of
    from preftrain_api.resolve import resolve
    from preftrain_api.spec import PreferenceTrainingJobSpec
    from preftrain_api.wire import ALLOW_FILE

    dataset: dict[str, Any] = {
        "uri": _uri(arguments.data),
        "split": arguments.split,
        "evalSplit": arguments.eval_split,
        "format": arguments.format,
        "columns": arguments.columns,
    }
    raw = {
        "model": {"uri": _uri(arguments.model or ".")},
        "dataset": {name: value for name, value in dataset.items() if value is not None},
        "method": {"type": "KTO"},  # takes both kinds of data
        "output": {"uri": "file:///unused"},
        "training": {"maxLength": arguments.max_length} if arguments.max_length else {},
    }
    try:
        spec = PreferenceTrainingJobSpec.parse(raw, context={ALLOW_FILE: True})
    except ValidationError as error:
        problems = problems_of(error, raw, PreferenceTrainingJobSpec)
        raise BadSpec("; ".join(map(str, problems))) from error
    return resolve(spec)


def _for_kind(spec: "PreferenceTrainingJobSpec", kind: str) -> "PreferenceTrainingJobSpec":
    """The job that the data turned out to be good for."""
    from preftrain_api.spec import MethodSpec

    method = MethodSpec(type="DPO" if kind == "Paired" else "KTO")
    return spec.model_copy(update={"method": method})


def _with_policy(spec: "PreferenceTrainingJobSpec", policy: str) -> "PreferenceTrainingJobSpec":
    from preftrain_api.spec.audit import AuditSpec

    asked = (spec.dataset.audit or AuditSpec()).model_copy(update={"policy": policy})
    dataset = spec.dataset.model_copy(update={"audit": asked})
    return spec.model_copy(update={"dataset": dataset})


def _uri(place: str) -> str:
    return place if "://" in place else f"file://{Path(place).expanduser().absolute()}"


def _columns(text: str) -> dict[str, str]:
    parts = [part.partition("=") for part in text.split(",")]
    if any(not name or not value for name, _, value in parts):
        raise argparse.ArgumentTypeError(f"write PART=NAME, separated by commas, not {text!r}")
    return {name.strip(): value.strip() for name, _, value in parts}
