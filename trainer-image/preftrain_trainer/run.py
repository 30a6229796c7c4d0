"""One run, in order: from what was judged to what is published.

    prepare   output -> model -> data -> published already?         (no torch, seconds)
    train     device -> prepare -> fit -> claim -> checkpoint -> model -> train -> evaluate
              -> samples -> export -> report -> publish

Assumes one process, one GPU, one run. A stage is one call into one module, and stages do not
know each other. What comes before the model is in `course`, what comes after training in
`conclusion`. A stage that cannot go on raises a `TrainerError`, whose class is the exit code:
64 bad spec, 65 data refused, 66 model unavailable, 69 object store unavailable, 71 no usable
GPU, 75 preempted, 76 guard stopped, 77 out of GPU memory. A run whose adapter fails a gate
ends with 78, any other with 0.
"""

import logging
from contextlib import suppress

from preftrain_api.exit_codes import ExitCode
from preftrain_api.report import Evaluation
from preftrain_api.result import TrainResult
from preftrain_api.run_spec import RunSpec
from preftrain_api.spec import ComputeSpec
from preftrain_trainer.checkpoint.keeping import keep
from preftrain_trainer.checkpoint.state import EVALUATIONS
from preftrain_trainer.conclusion import Ending, conclude, report_end
from preftrain_trainer.course import Course, begin
from preftrain_trainer.errors import Preempted, TrainerError
from preftrain_trainer.evaluation.judge import Judge
from preftrain_trainer.fit.device import find_device
from preftrain_trainer.model.loading import LoadedModel, load_model, prepare_environment
from preftrain_trainer.places.model_source import FetchedModel, fetch_model
from preftrain_trainer.prepare import ADOPTED, prepare
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.stop import StopNow, StopRequest
from preftrain_trainer.training.train import Trained
from preftrain_trainer.training.train import train as train_adapter
from preftrain_trainer.workspace import Workspace

_log = logging.getLogger("preftrain")


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
    if prepared.artifact is not None:
        told = None if run.pins else prepared.data.report
        result = TrainResult(message=ADOPTED, artifact=prepared.artifact, data_report=told)
        return Ending(ExitCode.DONE, result)
    course = begin(run, workspace, board, stop, started, device, prepared)
    base, model = _load(course)
    log = workspace.report / EVALUATIONS
    judge = Judge(model, prepared.data, run.spec, course.layout, board, stop, log)
    trained, evaluation = _optimise(course, model, judge)
    stop.let_finish()
    return conclude(course, base, model, trained, evaluation, judge)


def _load(course: Course) -> tuple[FetchedModel, LoadedModel]:
    """The base model with a fresh adapter; torch is imported here."""
    course.board.phase("LoadingModel")
    spec, pins = course.run.spec, course.prepared.pins
    base = fetch_model(course.prepared.model, spec.model, pins.model_commit or "")
    course.stop.check()
    prepare_environment(course.device, course.workspace.cache)
    model = load_model(base, spec, course.layout)
    course.stop.check()
    return base, model


def _optimise(
    course: Course, model: LoadedModel, judge: Judge
) -> tuple[Trained, Evaluation | None]:
    """Train to the end, and judge what came of it.

    Raises:
        TrainerError: the attempt ended early; what ends the run leaves a report.
    """
    board, stop, workspace = course.board, course.stop, course.workspace
    try:
        with keep(
            course.checkpoints, course.attempt, course.resumed, workspace.checkpoints, board, stop
        ) as keeping:
            trained = train_adapter(
                model,
                course.prepared.data,
                course.run.spec,
                course.layout,
                work=workspace.work,
                board=board,
                stop=stop,
                evaluate=judge,
                keeping=keeping,
            )
            evaluation = trained.evaluation or judge(trained.adapter_step)
        stop.check()
    except Preempted:
        raise
    except TrainerError as error:
        # A run that ends for a reason ends for that one, whatever happens on the way.
        try:
            with suppress(OSError, StopNow):
                report_end(course, error)
        except Exception as problem:  # noqa: BLE001 - a bug there must not make it another end
            _log.warning("no report could be made of this end", exc_info=problem)
        raise
    return trained, evaluation
