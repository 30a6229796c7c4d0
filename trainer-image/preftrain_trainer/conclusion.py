"""The end of a run: what is written about it, and what becomes visible."""

import time
from dataclasses import dataclass, replace

from preftrain_api.exit_codes import ExitCode
from preftrain_api.report import Artifact, Evaluation
from preftrain_api.result import TrainResult
from preftrain_trainer.course import Course
from preftrain_trainer.environment import environment
from preftrain_trainer.errors import GuardStopped, TrainerError
from preftrain_trainer.evaluation import gates
from preftrain_trainer.evaluation.answering import answer_samples
from preftrain_trainer.evaluation.judge import Judge
from preftrain_trainer.methods.labels import settled
from preftrain_trainer.methods.labels import shown as shown_weights
from preftrain_trainer.model.loading import LoadedModel
from preftrain_trainer.places.model_source import FetchedModel
from preftrain_trainer.publishing import fidelity
from preftrain_trainer.publishing.card import CARD, card
from preftrain_trainer.publishing.evidence import Evidence
from preftrain_trainer.publishing.export import export_adapter
from preftrain_trainer.publishing.publish import publish
from preftrain_trainer.report.content import Outcome
from preftrain_trainer.report.writing import leave_report, write_report
from preftrain_trainer.result import MESSAGE_CHARACTERS, SHOWN_FINDINGS
from preftrain_trainer.training.train import Trained


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended that came to its end."""

    code: ExitCode
    result: TrainResult


def conclude(
    course: Course,
    base: FetchedModel,
    model: LoadedModel,
    trained: Trained,
    evaluation: Evaluation | None,
    judge: Judge,
) -> Ending:
    """Answer, export, report, and make it visible or withhold it.

    Raises:
        TrainerError: the attempt ended early.
    """
    spec, workspace, check = course.run.spec, course.workspace, course.stop.check
    data, layout = course.prepared.data, course.layout
    samples = answer_samples(model, data, spec, layout, stop=course.stop)
    verdicts = gates.judge(evaluation, spec)
    course.board.phase("Exporting")
    export_adapter(model, workspace.adapter, base)
    folders = {"report": workspace.report, "adapter": workspace.adapter}
    merged = None
    if spec.output.merged_weights and not gates.withheld(verdicts, spec):
        compared = fidelity.merge(
            model,
            base,
            data,
            layout,
            folder=workspace.merged,
            work=workspace.comparison,
            between=check,
        )
        verdicts = (*verdicts, fidelity.verdict(compared))
        if verdicts[-1].passed:
            merged = compared
            folders["merged"] = workspace.merged
    check()
    withheld = gates.withheld(verdicts, spec)
    weights = shown_weights(settled(spec.method, data.train))
    evidence = replace(
        course.evidence(),
        resolved=layout.resolved() | {"rendering": trained.rendering} | weights,
        environment=environment(course.device, trained.peak_gpu_bytes),
        adapter_step=trained.adapter_step,
        evaluation=evaluation,
        gates=verdicts,
        withheld=withheld,
        merged=merged,
    )
    (workspace.adapter / CARD).write_text(card(evidence), encoding="utf-8")
    outcome: Outcome = "Withheld" if withheld else "Published"
    missed = gates.missed(verdicts) if withheld else ""
    write_report(
        workspace.report, evidence, outcome, missed, trained.total_steps, judge.margins, samples
    )
    course.board.phase("Publishing")
    artifact = publish(
        course.store,
        course.claim,
        course.prepared.fencing,
        folders=folders,
        describe=evidence.manifest,
        withheld=withheld,
        stop=course.stop,
    )
    course.board.phase("Done")
    return _ending(course, evidence, artifact, missed)


def _ending(course: Course, evidence: Evidence, artifact: Artifact, missed: str) -> Ending:
    """What the operator reads; `missed` says why the adapter was withheld."""
    shown = course.board.snapshot()
    message = f"{missed}; the adapter is kept for inspection at {artifact.uri}" if missed else ""
    result = TrainResult(
        message=message[:MESSAGE_CHARACTERS],
        step=shown.step,
        total_steps=shown.total_steps,
        start_step=course.attempt.start_step,
        checkpoint_step=shown.checkpoint_step,
        first_step_time=shown.first_step_time,
        gpu_seconds=course.attempt.own_gpu_seconds(time.monotonic()),
        metrics=shown.metrics,
        evaluation=evidence.evaluation,
        gates_judged=bool(evidence.gates),
        data_report=None if course.run.pins else evidence.data_report,
        artifact=artifact,
        findings=evidence.findings[-SHOWN_FINDINGS:],
        resolved=evidence.resolved,
    )
    code = ExitCode.GATES_NOT_PASSED if evidence.withheld else ExitCode.DONE
    return Ending(code, result)


def report_end(course: Course, error: TrainerError) -> None:
    """Leave a report of a run that ends here for good."""
    outcome: Outcome = "Stopped" if isinstance(error, GuardStopped) else "Failed"
    folder, total = course.workspace.report, course.board.snapshot().total_steps
    write_report(folder, course.evidence(), outcome, str(error), total)
    leave_report(folder, course.store, course.claim, course.prepared.fencing)
