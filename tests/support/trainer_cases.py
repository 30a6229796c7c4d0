"""Data sets, manifests and models for tests of the trainer that need no torch."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from preftrain_api.resolve import resolve
from preftrain_api.run_spec import RunIdentity, RunSpec
from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_api.wire import ALLOW_FILE
from preftrain_trainer.data import load as data
from preftrain_trainer.data.pairs import LoadedData
from preftrain_trainer.places import opening as places
from preftrain_trainer.workspace import Workspace

Rows = list[dict[str, Any]]


def text_rows(count: int) -> Rows:
    """Pairs of plain text, each with a prompt of its own."""
    return [
        {"prompt": f"Question {n}?", "chosen": f"Good {n}.", "rejected": f"Bad {n}."}
        for n in range(count)
    ]


def write_rows(path: Path, rows: Rows) -> Path:
    """Write a data file in the form that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    form = Path(path.name.removesuffix(".gz")).suffix
    if form in (".jsonl", ".ndjson"):
        data = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    elif form == ".json":
        data = json.dumps(rows, indent=1).encode()
    elif form == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        data = text.getvalue().encode()
    else:
        sink = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
        data = sink.getvalue()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def write_model(folder: Path) -> Path:
    """What prepare looks at in a model: names and content, not tensors."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def job(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    """A manifest over files in `tmp_path`; `dataset=...` and the like replace members."""
    spec: dict[str, Any] = {
        "model": {"uri": "file://model", "quantization": "None"},
        "dataset": {"uri": "file://data.jsonl"},
        "method": {"type": "DPO"},
        "output": {"uri": f"file://{tmp_path}/out"},
        "compute": {"accelerator": "CPU"},
    }
    return {
        "apiVersion": "preftrain.dev/v1alpha1",
        "kind": "PreferenceTrainingJob",
        "metadata": {"name": "tiny"},
        "spec": {**spec, **changes},
    }


def run_spec(tmp_path: Path, **changes: Any) -> RunSpec:
    """The resolved run of such a manifest."""
    raw = job(tmp_path, **changes)["spec"]
    spec = PreferenceTrainingJobSpec.parse(raw, context={ALLOW_FILE: True})
    identity = RunIdentity(namespace="team", name="tiny", uid="u-1", revision=1, attempt=1)
    return RunSpec(identity=identity, stage="Train", spec=resolve(spec))


def workspace(tmp_path: Path, holder: str = "pod-1") -> Workspace:
    """Folders of a run below `tmp_path`; places are relative to it."""
    return Workspace(
        work=tmp_path / "work",
        cache=tmp_path / "cache",
        secrets=tmp_path / "secrets",
        volumes=tmp_path / "volumes",
        base=tmp_path,
        termination_log=tmp_path / "termination-log",
        holder=holder,
    )


def load_data(run: RunSpec, tmp_path: Path) -> LoadedData:
    """The data of a run below `tmp_path`, read and split."""
    source = places.open_source(run.spec.dataset, workspace(tmp_path))
    return data.load(source, run.spec, tmp_path / "scratch")


def preftrain(
    *arguments: str | Path, env: dict[str, str] | None = None, timeout_seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run the real command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "preftrain_trainer", *map(str, arguments)],
        env={**clean_environment(), **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )


def clean_environment() -> dict[str, str]:
    """This process's environment without anything that could lend credentials or places."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("AWS_", "PREFTRAIN_", "HF_"))
    }
    return {**kept, "AWS_EC2_METADATA_DISABLED": "true", "PYTHONPATH": os.pathsep.join(sys.path)}
