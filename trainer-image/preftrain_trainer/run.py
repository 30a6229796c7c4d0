"""One run, in order: from what was judged to what is published.

    prepare   output -> model -> data -> published already?         (no torch, seconds)
    train     device -> prepare -> fit -> claim -> checkpoint -> model -> train -> evaluate
              -> samples -> export -> report -> publish

Assumes one process, one GPU, one run. A stage is one call into one module, and stages do not
know each other. One that cannot go on raises a `TrainerError`, whose class is the exit code:
64 bad spec, 65 data refused, 66 model unavailable, 69 object store unavailable, 71 no usable
GPU, 75 preempted, 76 guard stopped, 77 out of GPU memory. A run whose adapter fails a gate
ends with 78, any other with 0.
"""

import logging
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from preftrain_api.exit_codes import ExitCode
from preftrain_api.report import Evaluation, GateVerdict
from preftrain_api.result import TrainResult
from preftrain_api.run_spec import RunSpec
from preftrain_api.spec import CheckpointSpec, ComputeSpec, TrainingSpec
from preftrain_trainer import versions
from preftrain_trainer.checkpoint.attempt import Attempt
from preftrain_trainer.checkpoint.keeping import keep
from preftrain_trainer.checkpoint.remote import CheckpointPlace, Saved
from preftrain_trainer.checkpoint.resume import Wanted, require_same_run
from preftrain_trainer.checkpoint.state import EVALUATIONS
from preftrain_trainer.errors import GuardStopped, Preempted, TrainerError
from preftrain_trainer.evaluation import gates
from preftrain_trainer.evaluation.history import note_evaluation
from preftrain_trainer.evaluation.margins import PairMargin
from preftrain_trainer.fit.device import Device, find_device
from preftrain_trainer.fit.layout import Fit, fit
from preftrain_trainer.methods.labels import settled
from preftrain_trainer.methods.labels import shown as shown_weights
from preftrain_trainer.model.loading import LoadedModel, load_model, prepare_environment
from preftrain_trainer.places.model_source import FetchedModel, fetch_model
from preftrain_trainer.places.opening import open_checkpoints, open_output
from preftrain_trainer.places.store import ObjectStore
from preftrain_trainer.prepare import ADOPTED, Prepared, prepare
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.publishing.card import CARD, card
from preftrain_trainer.publishing.claim import Claim, take_claim
from preftrain_trainer.publishing.evidence import Evidence
from preftrain_trainer.publishing.publish import publish
from preftrain_trainer.report.content import Outcome
from preftrain_trainer.report.writing import leave_report, write_report
from preftrain_trainer.stop import StopRequest
from preftrain_trainer.training.train import Trained
from preftrain_trainer.workspace import Workspace

_log = logging.getLogger("preftrain")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended that came to its end."""

    code: ExitCode
    result: TrainResult


def train(
    run: RunSpec, workspace: Workspace, board: ProgressBoard, stop: StopRequest, started: float
) -> Ending:
    """Train, judge and publish one adapter; `started` is when the process did (monotonic).

    Raises:
        TrainerError: the attempt ended early.
    """
    stop.grace_seconds = run.spec.termination_grace_period_seconds
    device = find_device(run.spec.compute or ComputeSpec())
    board.phase("PreparingData")
    prepared = prepare(run, workspace, stop)
    told = None if run.pins else prepared.data.report
    if prepared.artifact is not None:
        result = TrainResult(message=ADOPTED, artifact=prepared.artifact, data_report=told)
        return Ending(ExitCode.DONE, result)
    course = _begin(run, workspace, board, stop, started, device, prepared)
    base, model = course.load()
    trained, evaluation = course.optimise(model)
    return course.publish(base, model, trained, evaluation)


def _begin(
    run: RunSpec,
    workspace: Workspace,
    board: ProgressBoard,
    stop: StopRequest,
    started: float,
    device: Device,
    prepared: Prepared,
) -> "_Course":
    """Lay the run out, take the claim, and find out where an earlier attempt has ended."""
    layout = fit(run.spec, len(prepared.data.train), device)
    store = open_output(run, workspace, patient=True)
    claim = take_claim(store, workspace.holder, prepared.fencing)
    checkpoints = CheckpointPlace(
        store=open_checkpoints(run, workspace, patient=True),
        fencing=prepared.checkpoint_fencing,
        holder=workspace.holder,
        require_claim=claim.check,
        keep=(run.spec.checkpoint or CheckpointSpec()).keep,
    )
    wanted = Wanted(
        spec_hash=prepared.spec_hash,
        data_digest=prepared.data.digest,
        precision=layout.precision,
        micro_batch_size=(run.spec.training or TrainingSpec()).micro_batch_size,
    )
    resumed = checkpoints.newest(
        workspace.checkpoints / "resumed", partial(require_same_run, wanted=wanted), stop.check
    )
    if resumed is not None:
        _log.info("going on after step %d, from %s", resumed.state.step, resumed.url)
        layout = replace(layout, micro_batch_size=resumed.state.key.micro_batch_size)
    attempt = Attempt(
        key=wanted.key(layout.micro_batch_size),
        number=max(run.identity.attempt, 1),
        pod_uid=workspace.holder,
        started=started,
        holds_gpu=device.kind == "GPU",
        versions=versions.versions(),
        environment=versions.environment(device),
        resumed=resumed.state if resumed else None,
    )
    return _Course(
        run, workspace, board, stop, device, prepared, layout, store, claim, checkpoints, resumed,
        attempt,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Course:
    """One attempt, once it is known what it goes on from. Its stages follow in order."""

    run: RunSpec
    workspace: Workspace
    board: ProgressBoard
    stop: StopRequest
    device: Device
    prepared: Prepared
    layout: Fit
    store: ObjectStore
    claim: Claim
    checkpoints: CheckpointPlace
    resumed: Saved | None
    attempt: Attempt
    margins: list[PairMargin] = field(default_factory=list)
    """Of the newest evaluation."""

    def load(self) -> tuple[FetchedModel, LoadedModel]:
        """The base model with a fresh adapter; torch is imported here."""
        self.board.phase("LoadingModel")
        spec = self.run.spec
        commit = self.prepared.pins.model_commit or ""
        base = fetch_model(self.prepared.model, spec.model, commit)
        self.stop.check()
        prepare_environment(self.device, self.workspace.cache)
        model = load_model(base, spec, self.layout)
        self.stop.check()
        return base, model

    def optimise(self, model: LoadedModel) -> tuple[Trained, Evaluation | None]:
        """Train to the end, and judge what came of it.

        Raises:
            TrainerError: the attempt ended early; what ends the run leaves a report.
        """
        from preftrain_trainer.evaluation.evaluate import evaluate
        from preftrain_trainer.training.train import train as train_adapter

        def judge(step: int) -> Evaluation | None:
            self.margins.clear()
            judgement = evaluate(
                model,
                self.prepared.data,
                self.run.spec,
                self.layout,
                board=self.board,
                stop=self.stop,
                margins=self.margins.extend,
            )
            return note_evaluation(self.workspace.report / EVALUATIONS, step, judgement)

        kept = self.workspace.checkpoints
        try:
            with keep(
                self.checkpoints, self.attempt, self.resumed, kept, self.board, self.stop
            ) as keeping:
                trained = train_adapter(
                    model,
                    self.prepared.data,
                    self.run.spec,
                    self.layout,
                    work=self.workspace.work,
                    board=self.board,
                    stop=self.stop,
                    evaluate=judge,
                    keeping=keeping,
                )
                evaluation = trained.evaluation or judge(trained.adapter_step)
                self.stop.check()
        except Preempted:
            raise
        except TrainerError as error:
            self._report_end(error)
            raise
        self.stop.let_finish()
        return trained, evaluation

    def publish(
        self,
        base: FetchedModel,
        model: LoadedModel,
        trained: Trained,
        evaluation: Evaluation | None,
    ) -> Ending:
        """Answer, export, report, and make it visible or withhold it."""
        from preftrain_trainer.evaluation.answering import answer_samples
        from preftrain_trainer.publishing import export, fidelity, merging

        spec, workspace, check = self.run.spec, self.workspace, self.stop.check
        data, layout = self.prepared.data, self.layout
        samples = answer_samples(model, data, spec, layout, stop=self.stop)
        verdicts = gates.judge(evaluation, spec)
        self.board.phase("Exporting")
        export.export_adapter(model, workspace.adapter, base)
        folders = {"report": workspace.report, "adapter": workspace.adapter}
        merged = None
        if spec.output.merged_weights and not gates.withheld(verdicts, spec):
            check()
            retained = merging.write_merged(
                model, workspace.merged, base, layout.precision, between=check
            )
            checked = fidelity.check_merged(
                model, workspace.merged, data, layout, retained=retained, work=workspace.comparison
            )
            verdicts = (*verdicts, fidelity.verdict(checked))
            if verdicts[-1].passed:
                merged = checked
                folders["merged"] = workspace.merged
        check()
        withheld = gates.withheld(verdicts, spec)
        missed = _gates_missed(verdicts) if withheld else ""
        weights = shown_weights(settled(spec.method, data.train))
        resolved = layout.resolved() | {"rendering": trained.rendering} | weights
        evidence = self._evidence(
            resolved=resolved,
            environment=versions.environment(self.device, trained.peak_gpu_bytes),
            steps=trained.steps,
            adapter_step=trained.adapter_step,
            metrics=trained.metrics,
            findings=trained.findings,
            evaluation=evaluation,
            gates=verdicts,
            withheld=withheld,
            merged=merged,
        )
        (workspace.adapter / CARD).write_text(card(evidence), encoding="utf-8")
        outcome: Outcome = "Withheld" if withheld else "Published"
        margins = tuple(self.margins)
        write_report(
            workspace.report, evidence, outcome, missed, trained.total_steps, margins, samples
        )
        self.board.phase("Publishing")
        artifact = publish(
            self.store,
            self.claim,
            self.prepared.fencing,
            folders=folders,
            describe=evidence.manifest,
            withheld=withheld,
            stop=self.stop,
        )
        self.board.phase("Done")
        kept = f"{missed}; the adapter is kept for inspection at {artifact.uri}"
        shown = self.board.snapshot()
        result = TrainResult(
            message=kept if withheld else "",
            step=trained.steps,
            total_steps=trained.total_steps,
            start_step=self.attempt.start_step,
            checkpoint_step=shown.checkpoint_step,
            first_step_time=trained.first_step_time,
            gpu_seconds=self._gpu_seconds(),
            metrics=shown.metrics,
            evaluation=evaluation,
            gates_judged=bool(verdicts),
            data_report=None if self.run.pins else data.report,
            artifact=artifact,
            findings=trained.findings[:8],
            resolved=resolved,
        )
        return Ending(ExitCode.GATES_NOT_PASSED if withheld else ExitCode.DONE, result)

    def _report_end(self, error: TrainerError) -> None:
        """Leave a report of a run that ends here for good."""
        ended = self.board.snapshot()
        evidence = self._evidence(
            resolved=self.layout.resolved(),
            environment=versions.environment(self.device),
            steps=ended.step,
            adapter_step=ended.step,
            metrics=ended.metrics,
            findings=ended.findings,
            evaluation=None,
            gates=(),
            withheld=True,
            merged=None,
        )
        outcome: Outcome = "Stopped" if isinstance(error, GuardStopped) else "Failed"
        write_report(self.workspace.report, evidence, outcome, str(error), ended.total_steps)
        leave_report(self.workspace.report, self.store, self.claim)

    def _evidence(self, *, steps: int, **known: object) -> Evidence:
        now = time.monotonic()
        about = partial(
            Evidence,
            run=self.run,
            pins=self.prepared.pins,
            spec_hash=self.prepared.spec_hash,
            data_report=self.prepared.data.report,
            versions=self.attempt.versions,
            created=datetime.now(UTC),
            steps=steps,
            attempts=self.attempt.records(steps, now),
            gpu_seconds=self.attempt.gpu_seconds(now),
        )
        return about(**known)  # type: ignore[arg-type]  # the rest of its fields, by name

    def _gpu_seconds(self) -> float:
        """How long this attempt has held a GPU."""
        return time.monotonic() - self.attempt.started if self.attempt.holds_gpu else 0.0


def _gates_missed(verdicts: tuple[GateVerdict, ...]) -> str:
    return "; ".join(
        f"{gate.metric} is {gate.value:.4g}, not {gate.operator} {gate.threshold:g}"
        for gate in verdicts
        if not gate.passed
    )
