"""What is judged before a GPU is asked for, the cheapest first. Without torch, in seconds.

    output -> checkpoints -> model -> data -> held out? -> published already?

The prepare pod does this and ends with a verdict; a training pod does it again, because what it
trains on must be what was judged.
"""

import logging
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from preftrain_api.capabilities import unsupported_fields
from preftrain_api.report import Artifact, AuditReport, Pins
from preftrain_api.result import PrepareResult
from preftrain_api.run_spec import RunSpec
from preftrain_api.spec_hash import spec_hash
from preftrain_trainer.audit import page
from preftrain_trainer.audit.conduct import audit
from preftrain_trainer.audit.judge import RefusedData, RefusedTemplate
from preftrain_trainer.data.load import load
from preftrain_trainer.data.pairs import LoadedData, PreparedData, label_counts
from preftrain_trainer.errors import (
    BadSpec,
    DataRefused,
    InternalError,
    ModelUnavailable,
    ObjectStoreUnavailable,
)
from preftrain_trainer.evaluation.gates import require_held_out
from preftrain_trainer.fit.layout import refuse_impossible
from preftrain_trainer.guards.admission import refuse_inadmissible
from preftrain_trainer.methods.advice import advice
from preftrain_trainer.methods.refusals import require_kind
from preftrain_trainer.places.model_source import pin_model
from preftrain_trainer.places.opening import (
    checkpoints_with_output,
    open_checkpoints,
    open_output,
    open_source,
)
from preftrain_trainer.places.source import Source
from preftrain_trainer.places.store import Fencing, ObjectStore, probe
from preftrain_trainer.publishing.beforehand import leave_unclaimed
from preftrain_trainer.publishing.publish import adopt
from preftrain_trainer.result import DATA_PAGE, DATA_REPORT, data_report_bytes
from preftrain_trainer.stop import StopRequest
from preftrain_trainer.workspace import Workspace

_log = logging.getLogger("preftrain")
ADOPTED: Final = "an adapter of exactly this run is published already"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run whose output, model and data have been looked at."""

    pins: Pins
    spec_hash: str
    data: PreparedData
    model: Source
    fencing: Fencing
    """What the output's store can do."""
    checkpoint_fencing: Fencing
    """What the store of the checkpoints can do."""
    artifact: Artifact | None
    """Set when exactly this run is published already."""


def prepare(run: RunSpec, workspace: Workspace, stop: StopRequest) -> Prepared:
    """Judge all that can be judged without a GPU.

    Raises:
        TrainerError: something is missing, forbidden or refused.
    """
    unsupported = unsupported_fields(run.spec)
    if unsupported:
        raise BadSpec("; ".join(f"spec.{sentence}" for sentence in unsupported))
    refuse_inadmissible(run.spec)
    refuse_impossible(run.spec)
    workspace.make()
    store = open_output(run, workspace, patient=False)
    fencing = probe(store)
    checkpoint_fencing = fencing
    if not checkpoints_with_output(run.spec):
        checkpoint_fencing = probe(open_checkpoints(run, workspace, patient=False))
    stop.check()
    model = open_source(run.spec.model, workspace)
    commit = pin_model(model, run.spec.model)
    stop.check()
    dataset = open_source(run.spec.dataset, workspace)
    examples = _judged(dataset, model, run, workspace, store, fencing)
    require_kind(run.spec, examples.kind)
    for finding in advice(run.spec, len(examples.train), examples.kind):
        _log.info("advice: %s", finding.message)
    # Labelled answers are judged in pairs of a good and a bad one.
    require_held_out(run.spec, min(label_counts(examples.held_out)))
    stop.check()
    pins = Pins(model_commit=commit, dataset_commit=dataset.commit, data_digest=examples.digest)
    _require_pins(run.pins, pins)
    digest = spec_hash(run.spec, pins)
    artifact = adopt(store, digest)
    return Prepared(pins, digest, examples, model, fencing, checkpoint_fencing, artifact)


def verdict(prepared: Prepared) -> PrepareResult:
    """What the operator reads when prepare went well."""
    adopted = prepared.artifact is not None
    return PrepareResult(
        verdict="Adopted" if adopted else "Train",
        message=ADOPTED if adopted else "",
        pins=prepared.pins,
        spec_hash=prepared.spec_hash,
        data_report=prepared.data.report,
        artifact=prepared.artifact,
        fencing=prepared.fencing,
    )


def _judged(
    source: Source,
    model: Source,
    run: RunSpec,
    workspace: Workspace,
    store: ObjectStore,
    fencing: Fencing,
) -> PreparedData:
    """The data, with their report left in the output whether they pass or not.

    Where a pod has claimed the output already, that pod publishes its own copy with the rest.
    """
    loaded = load(source, run.spec, workspace.data)
    _log.info("data: read as %s", loaded.shape)
    found = _judged_before(store, loaded) if run.pins else None
    if found is None:
        try:
            found = audit(loaded, run.spec, model)
        except (RefusedData, RefusedTemplate) as refusal:
            lost = _lost(store, fencing, refusal.report)
            if lost is None:
                raise
            raise type(refusal)(f"{refusal}; {lost}", refusal.report) from refusal
        for finding in found.findings:
            level = logging.INFO if finding.severity == "Info" else logging.WARNING
            _log.log(level, "data: %s", finding.message)
    pages = _pages(found)
    for name, content in pages.items():
        (workspace.report / name).write_bytes(content)
    _leave(store, fencing, pages)
    return PreparedData(
        train=loaded.train,
        held_out=loaded.held_out,
        kind=loaded.kind,
        conversational=loaded.conversational,
        digest=loaded.digest,
        report=found.summary(),
        scratch=workspace.data,
    )


def _judged_before(store: ObjectStore, loaded: LoadedData) -> AuditReport | None:
    """The report that prepare left on exactly these data, so that no GPU waits for another."""
    stored = store.get(f"report/{DATA_REPORT}")
    if stored is None:
        return None
    try:
        found = AuditReport.model_validate_json(stored[0])
    except ValidationError:
        return None
    return found if found.digest == loaded.digest else None


def _pages(found: AuditReport) -> dict[str, bytes]:
    """The report by file name, for programs and for people."""
    return {DATA_REPORT: data_report_bytes(found), DATA_PAGE: page.render(found).encode()}


def _leave(store: ObjectStore, fencing: Fencing, pages: dict[str, bytes]) -> None:
    taken = leave_unclaimed(
        store, fencing, {f"report/{name}": content for name, content in pages.items()}
    )
    if taken is not None:
        _log.info("data: their report is not left in the output, which is taken: %s", taken)


def _lost(store: ObjectStore, fencing: Fencing, report: AuditReport) -> str | None:
    """Why the report on refused data is not in the output; None when it was left there.

    Whatever the output does, the data stay refused: trying again would change nothing.
    """
    try:
        _leave(store, fencing, _pages(report))
    except (ObjectStoreUnavailable, InternalError, OSError) as error:
        _log.warning("data: their report cannot be left in the output: %s", error)
        return f"the report on the data could not be left in the output: {error}"
    return None


def _require_pins(expected: Pins | None, found: Pins) -> None:
    """Refuse to train on anything but what was checked."""
    if expected is None:
        return
    if expected.model_commit not in (None, found.model_commit):
        raise ModelUnavailable(
            f"model.uri is {found.model_commit} now, but {expected.model_commit} was checked; "
            "keep it unchanged during a run, or raise runRevision"
        )
    if expected.data_digest not in (None, found.data_digest):
        raise DataRefused(
            "dataset.uri has changed since it was checked; keep it unchanged during a run, or "
            "raise runRevision"
        )
