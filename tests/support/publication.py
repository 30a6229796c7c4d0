"""A small publication as a pod makes it, and what a reader finds afterwards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from preftrain_api.manifest import AttemptRecord, Manifest, ManifestFile
from preftrain_api.report import Artifact, DataReport, Metrics, Pins
from preftrain_api.run_spec import RunSpec
from preftrain_api.wire import ALLOW_FILE
from preftrain_trainer.places.store import Fencing, ObjectStore
from preftrain_trainer.publishing.claim import Claim, take_claim
from preftrain_trainer.publishing.evidence import Evidence
from preftrain_trainer.publishing.publish import MANIFEST, adopt, publish
from preftrain_trainer.stop import StopRequest

HASH = "sha256:" + "1" * 64
OTHER_HASH = "sha256:" + "2" * 64

Folders = dict[str, Path]


def results(folder: Path, model: bytes = b"tensors" * 1000, note: str = "step 1") -> Folders:
    """What a run leaves in its workspace to be published."""
    adapter, report = folder / "adapter", folder / "report"
    for made in (adapter, report):
        made.mkdir(parents=True, exist_ok=True)
    (adapter / "adapter_model.safetensors").write_bytes(model)
    (report / "metrics.jsonl").write_text(json.dumps({"note": note}) + "\n")
    return {"report": report, "adapter": adapter}


def evidence_of(
    run: RunSpec, *, pod: str = "pod-1", spec_hash: str = HASH, withheld: bool = False
) -> Evidence:
    """What is known of a run of one step when it has ended."""
    return Evidence(
        run=run,
        pins=Pins(model_commit="c", data_digest=HASH),
        spec_hash=spec_hash,
        data_report=DataReport(rows=1, train_rows=1, eval_rows=0),
        resolved={},
        versions={},
        environment={},
        created=datetime(2026, 1, 1, tzinfo=UTC),
        steps=1,
        metrics=Metrics(),
        findings=(),
        evaluation=None,
        gates=(),
        withheld=withheld,
        adapter_step=1,
        attempts=(AttemptRecord(number=1, pod_uid=pod, start_step=0, end_step=1, seconds=1.0),),
        gpu_seconds=0.0,
    )


def send(
    store: ObjectStore,
    claim: Claim,
    run: RunSpec,
    folders: Folders,
    *,
    spec_hash: str = HASH,
    fencing: Fencing = "ConditionalWrites",
    withheld: bool = False,
    stop: StopRequest | None = None,
    before_manifest: Callable[[], None] = lambda: None,
) -> Artifact:
    """Publish under a claim that is held already."""
    evidence = evidence_of(run, pod=claim.holder, spec_hash=spec_hash, withheld=withheld)

    def describe(files: tuple[ManifestFile, ...]) -> Manifest:
        before_manifest()
        return evidence.manifest(files)

    return publish(
        store,
        claim,
        fencing,
        folders=folders,
        describe=describe,
        withheld=withheld,
        stop=stop or StopRequest(),
    )


def attempt(
    store: ObjectStore,
    pod: str,
    run: RunSpec,
    folders: Folders,
    *,
    spec_hash: str = HASH,
    fencing: Fencing = "ConditionalWrites",
    stop: StopRequest | None = None,
) -> Artifact:
    """What an attempt does with the store, from its first look to its manifest."""
    adopted = adopt(store, spec_hash)
    if adopted is not None:
        return adopted
    claim = take_claim(store, pod, fencing)
    return send(store, claim, run, folders, spec_hash=spec_hash, fencing=fencing, stop=stop)


def visible(store: ObjectStore) -> str | None:
    """Digest of the manifest that a reader finds, None where there is none.

    Raises:
        AssertionError: something that the manifest lists is not there, or is not what it lists.
    """
    found = store.get(MANIFEST)
    if found is None:
        return None
    manifest = Manifest.parse(json.loads(found[0]), context={ALLOW_FILE: True})
    for file in manifest.files:
        content = store.get(file.path)
        assert content is not None, f"{file.path} is listed and missing"
        assert len(content[0]) == file.size, f"{file.path} has another size"
        assert hashlib.sha256(content[0]).hexdigest() == file.sha256, f"{file.path} is damaged"
    return f"sha256:{hashlib.sha256(found[0]).hexdigest()}"
