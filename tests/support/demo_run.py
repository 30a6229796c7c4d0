"""A run of the demo as it lies in S3, without training one."""

import hashlib
from datetime import UTC, datetime

from preftrain_api.manifest import AttemptRecord, Lineage, Manifest, ManifestFile
from preftrain_api.report import DataReport, Metrics, Pins
from preftrain_api.run_spec import RunIdentity
from preftrain_api.spec import PreferenceTrainingJobSpec

CONTENT = {"adapter/adapter_config.json": b"{}", "adapter/adapter_model.safetensors": b"weights"}


def make_manifest(content: dict[str, bytes]) -> Manifest:
    """A manifest that lists the given files."""
    return Manifest(
        identity=RunIdentity(namespace="demo", name="run", uid="u", revision=1, attempt=1),
        spec_hash="sha256:" + "0" * 64,
        spec=PreferenceTrainingJobSpec.parse(
            {
                "model": {"uri": "s3://demo/model"},
                "dataset": {"uri": "s3://demo/pairs"},
                "method": {"type": "DPO"},
                "output": {"uri": "s3://demo/out"},
            }
        ),
        resolved={},
        lineage=Lineage(model_uri="s3://demo/model", dataset_uri="s3://demo/pairs", pins=Pins()),
        files=tuple(
            ManifestFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())
            for path, data in content.items()
        ),
        versions={},
        created=datetime(2026, 11, 23, tzinfo=UTC),
        steps=24,
        metrics=Metrics(),
        data_report=DataReport(rows=1, train_rows=1, eval_rows=0),
        attempts=(AttemptRecord(number=1, pod_uid="p", start_step=0, end_step=24, seconds=1.0),),
    )
