"""One run, in order: what is checked before a GPU is asked for, and what is done with it.

    prepare   output -> model -> data -> published already?         (no torch, seconds)
    train     device -> prepare -> fit -> claim -> model -> train -> evaluate -> export -> publish

Assumes one process, one GPU, one run. A stage is one call into one module, and stages do not
know each other. One that cannot go on raises a `TrainerError`, whose class is the exit code:
64 bad spec, 65 data refused, 66 model unavailable, 69 object store unavailable, 71 no usable
GPU, 75 preempted, 76 guard stopped, 77 out of GPU memory. A run whose adapter fails a gate
ends with 78, any other with 0.
"""

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from preftrain_api.capabilities import unsupported_fields
from preftrain_api.exit_codes import ExitCode
from preftrain_api.report import Artifact, GateVerdict, Pins
from preftrain_api.result import PrepareResult, TrainResult
from preftrain_api.run_spec import RunSpec
from preftrain_api.spec import ComputeSpec
from preftrain_api.spec_hash import spec_hash
from preftrain_trainer import result as report
from preftrain_trainer.audit.judge import RefusedData, audit
from preftrain_trainer.data import load as data
from preftrain_trainer.data.pairs import PreparedData, label_counts
from preftrain_trainer.errors import BadSpec, DataRefused, ModelUnavailable
from preftrain_trainer.evaluation import gates
from preftrain_trainer.fit import layout as fit
from preftrain_trainer.methods.advice import advice
from preftrain_trainer.methods.labels import settled, shown
from preftrain_trainer.methods.refusals import require_kind
from preftrain_trainer.places import opening as places
from preftrain_trainer.places.model_source import fetch_model, pin_model
from preftrain_trainer.places.source import Source
from preftrain_trainer.places.store import Fencing, ObjectStore, probe
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.publishing.claim import take_claim
from preftrain_trainer.publishing.evidence import Evidence
from preftrain_trainer.publishing.publish import adopt, publish
from preftrain_trainer.stop import StopRequest
from preftrain_trainer.workspace import Workspace

_log = logging.getLogger("preftrain")
_ADOPTED: Final = "an adapter of exactly this run is published already"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run whose output, model and data have been looked at."""

    pins: Pins
    spec_hash: str
    data: PreparedData
    model: Source
    fencing: Fencing
    artifact: Artifact | None
    """Set when exactly this run is published already."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended that came to its end."""

    code: ExitCode
    result: TrainResult


def prepare(run: RunSpec, workspace: Workspace, stop: StopRequest) -> Prepared:
    """Judge all that can be judged without a GPU, the cheapest first.

    Raises:
        TrainerError: something is missing, forbidden or refused.
    """
    unsupported = unsupported_fields(run.spec)
    if unsupported:
        raise BadSpec("; ".join(f"spec.{sentence}" for sentence in unsupported))
    fit.refuse_impossible(run.spec)
    workspace.make()
    store = places.open_output(run, workspace, patient=False)
    fencing = probe(store)
    stop.check()
    model = places.open_source(run.spec.model, workspace)
    commit = pin_model(model, run.spec.model)
    stop.check()
    dataset = places.open_source(run.spec.dataset, workspace)
    pairs = _judged(dataset, run, workspace, store)
    require_kind(run.spec, pairs.kind)
    for finding in advice(run.spec, len(pairs.train), pairs.kind):
        _log.info("advice: %s", finding.message)
    # Labelled answers are judged in pairs of a good and a bad one.
    gates.require_held_out(run.spec, min(label_counts(pairs.held_out)))
    stop.check()
    pins = Pins(model_commit=commit, dataset_commit=dataset.commit, data_digest=pairs.digest)
    _require_pins(run.pins, pins)
    digest = spec_hash(run.spec, pins)
    return Prepared(pins, digest, pairs, model, fencing, adopt(store, digest))


def verdict(prepared: Prepared) -> PrepareResult:
    """What the operator reads when prepare went well."""
    adopted = prepared.artifact is not None
    return PrepareResult(
        verdict="Adopted" if adopted else "Train",
        message=_ADOPTED if adopted else "",
        pins=prepared.pins,
        spec_hash=prepared.spec_hash,
        data_report=prepared.data.report,
        artifact=prepared.artifact,
        fencing=prepared.fencing,
    )


def train(
    run: RunSpec, workspace: Workspace, board: ProgressBoard, stop: StopRequest, started: float
) -> Ending:
    """Train, judge and publish one adapter; `started` is when the process did (monotonic).

    Raises:
        TrainerError: the attempt ended early.
    """
    from preftrain_trainer import versions
    from preftrain_trainer.fit import device
    from preftrain_trainer.model import loading as model

    spec = run.spec
    found = device.find_device(spec.compute or ComputeSpec())
    board.phase("PreparingData")
    prepared = prepare(run, workspace, stop)
    pairs, report_of_data = prepared.data, None if run.pins else prepared.data.report
    if prepared.artifact is not None:
        return Ending(
            ExitCode.DONE,
            TrainResult(message=_ADOPTED, artifact=prepared.artifact, data_report=report_of_data),
        )
    layout = fit.fit(spec, len(pairs.train), found)
    store = places.open_output(run, workspace, patient=True)
    claim = take_claim(store, workspace.holder, prepared.fencing)

    board.phase("LoadingModel")
    base = fetch_model(prepared.model, spec.model, prepared.pins.model_commit or "")
    stop.check()
    model.prepare_environment(found, workspace.cache)
    from preftrain_trainer.evaluation import evaluate
    from preftrain_trainer.publishing import export
    from preftrain_trainer.training import train as training

    loaded = model.load_model(base, spec, layout)
    stop.check()
    judge = partial(evaluate.evaluate, loaded, pairs, spec, layout, board=board, stop=stop)
    trained = training.train(
        loaded, pairs, spec, layout, work=workspace.work, board=board, stop=stop, evaluate=judge
    )
    evaluation = judge()
    stop.check()
    verdicts = gates.judge(evaluation, spec)
    withheld = gates.withheld(verdicts, spec)
    board.phase("Exporting")
    export.export_adapter(loaded, workspace.adapter, base)
    stop.check()

    board.phase("Publishing")
    weights = shown(settled(spec.method, pairs.train))
    resolved = layout.resolved() | {"rendering": trained.rendering} | weights
    seconds = time.monotonic() - started
    gpu_seconds = seconds if found.kind == "GPU" else 0.0
    evidence = Evidence(
        run=run,
        pins=prepared.pins,
        spec_hash=prepared.spec_hash,
        data_report=pairs.report,
        resolved=resolved,
        versions=versions.versions(),
        environment=versions.environment(found, trained.peak_gpu_bytes),
        created=datetime.now(UTC),
        steps=trained.steps,
        metrics=trained.metrics,
        findings=trained.findings,
        evaluation=evaluation,
        gates=verdicts,
        withheld=withheld,
        holder=workspace.holder,
        seconds=seconds,
        gpu_seconds=gpu_seconds,
    )
    artifact = publish(
        store,
        claim,
        prepared.fencing,
        folders={"report": workspace.report, "adapter": workspace.adapter},
        describe=evidence.manifest,
        withheld=withheld,
        stop=stop,
    )
    board.phase("Done")
    result = TrainResult(
        message=_gates_missed(verdicts, artifact) if withheld else "",
        step=trained.steps,
        total_steps=trained.total_steps,
        first_step_time=trained.first_step_time,
        gpu_seconds=gpu_seconds,
        metrics=board.snapshot().metrics,
        evaluation=evaluation,
        gates_judged=bool(verdicts),
        data_report=report_of_data,
        artifact=artifact,
        findings=trained.findings[:8],
        resolved=resolved,
    )
    return Ending(ExitCode.GATES_NOT_PASSED if withheld else ExitCode.DONE, result)


def _judged(source: Source, run: RunSpec, workspace: Workspace, store: ObjectStore) -> PreparedData:
    """The data, with their report left in the output whether they pass or not."""
    try:
        loaded = data.load(source, run.spec)
        report_of_data = audit(loaded, run.spec.dataset.audit)
    except RefusedData as refusal:
        store.put(f"report/{report.DATA_REPORT}", report.data_report_bytes(refusal.report))
        raise
    for finding in report_of_data.findings:
        _log.warning("data: %s", finding.message)
    content = report.data_report_bytes(report_of_data)
    (workspace.report / report.DATA_REPORT).write_bytes(content)
    store.put(f"report/{report.DATA_REPORT}", content)
    return PreparedData(
        train=loaded.train,
        held_out=loaded.held_out,
        kind=loaded.kind,
        conversational=loaded.conversational,
        digest=loaded.digest,
        report=report_of_data,
    )


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


def _gates_missed(verdicts: tuple[GateVerdict, ...], artifact: Artifact) -> str:
    missed = "; ".join(
        f"{gate.metric} is {gate.value:.4g}, not {gate.operator} {gate.threshold:g}"
        for gate in verdicts
        if not gate.passed
    )
    return f"{missed}; the adapter is kept for inspection at {artifact.uri}"
