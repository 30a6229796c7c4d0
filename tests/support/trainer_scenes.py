"""What the trainer tests let happen in a process with Unsloth; played by `trainer_worker`.

Each scene takes and returns plain JSON data. Nothing is asserted here.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from preftrain_api.report import DataReport
from preftrain_api.spec import GuardRule
from preftrain_trainer.checkpoint.state import EVALUATIONS
from preftrain_trainer.data.pairs import Example, PreparedData, as_pairs
from preftrain_trainer.errors import TrainerError
from preftrain_trainer.fit.device import Device
from preftrain_trainer.fit.layout import Fit, fit
from preftrain_trainer.fit.memory import gpu_memory_reported
from preftrain_trainer.guards.book import GuardBook
from preftrain_trainer.model.loading import LoadedModel, load_model
from preftrain_trainer.places.model_source import FetchedModel
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.progress.records import StepRecord
from preftrain_trainer.report.series import read_lines
from preftrain_trainer.stop import StopRequest
from support.export_scenes import export_and_merge, spoil_weights
from support.export_scenes import merging_in_4_bits as merging_in_4_bits
from support.guard_series import FACTS, evaluation, healthy
from support.likelihoods_by_hand import likelihoods_by_hand
from support.made_examples import made_answers, made_pairs
from support.parity_ours import parity as parity
from support.specs import resolved_spec
from support.taught_model import teach
from support.tiny_model import CHATML, make_tiny_model

CPU = Device("CPU", "test", bf16=False)


def training(
    folder: str,
    *,
    members: dict[str, Any],
    rows: int = 24,
    held_out: int = 6,
    conversational: bool = False,
    template: str | None = "default",
    spoil: str | None = None,
    stop_after: int | None = None,
    by_hand: bool = False,
    export: bool = False,
    samples: str | None = None,
    taught: bool = False,
    unpaired: bool = False,
) -> dict[str, Any]:
    """Load, train, evaluate, and export on request; errors become data.

    Args:
        folder: where everything goes.
        members: members of the spec.
        rows: pairs to train on.
        held_out: pairs to judge on.
        conversational: conversations instead of plain text.
        template: another chat template of the model; None for none.
        spoil: `adapter` starts from a trained adapter, `weights` from one weight that is no
            number.
        stop_after: the step after which the process is asked to end.
        by_hand: compute the held-out likelihoods from plain logits, too.
        export: write adapter and merged weights, and return logits to hold them against.
        samples: let base and adapter answer held-out prompts; `slowly` takes 25 seconds a
            token by the clock, `stopped` is asked to end meanwhile.
        taught: let the model learn to answer first, so that it has something to lose.
        unpaired: labelled answers instead of pairs.
    """
    root = Path(folder)
    folder_of_model = make_tiny_model(
        root / "model", template=CHATML if template == "default" else template
    )
    source = FetchedModel(folder_of_model, f"file://{root}/model", "sha256:tiny")
    spec = resolved_spec(**members)
    examples: Sequence[Example] = (
        made_answers(rows + held_out)
        if unpaired
        else made_pairs(rows + held_out, conversational=conversational)
    )
    if taught:
        teach(folder_of_model, as_pairs(examples))
    data = PreparedData(
        train=examples[:rows],
        held_out=examples[rows:],
        conversational=conversational,
        digest=f"sha256:{'0' * 64}",
        report=DataReport(rows=len(examples), train_rows=rows, eval_rows=held_out),
        kind="Unpaired" if unpaired else "Paired",
    )
    scene = _Scene(stop_after)
    answer: dict[str, Any] = {"error": None}
    try:
        layout = fit(spec, rows, CPU)
        model = load_model(source, spec, layout)
        answer["start_hash"] = adapter_hash(model)
        spoil_weights(model, spoil)
        scene.play(model, data, spec, layout, root, answer)
        if by_hand:
            answer["by_hand"] = likelihoods_by_hand(model, as_pairs(data.held_out))
        if export:
            answer["export"] = export_and_merge(model, source, data, layout, root)
        if samples:
            answer["samples"] = _samples(model, data, spec, layout, samples)
    except TrainerError as error:
        answer["error"] = {
            "type": type(error).__name__,
            "code": int(error.exit_code),
            "message": str(error),
        }
    answer["board_findings"] = [finding.plain() for finding in scene.board.snapshot().findings]
    answer["records"] = [asdict(record) for record in scene.records]
    answer["phases"] = scene.phases
    return answer


class _Scene:
    """Watches a run through its board, and asks it to end when told to."""

    def __init__(self, stop_after: int | None) -> None:
        self.board = ProgressBoard("scene")
        self.stop = StopRequest()
        self.records: list[StepRecord] = []
        self.phases: list[str] = []
        self._stop_after = stop_after
        self.board.add_listener(self._on_progress)
        self.board.add_step_listener(self._on_step)

    def play(
        self,
        model: LoadedModel,
        data: PreparedData,
        spec: Any,
        layout: Any,
        root: Path,
        answer: dict[str, Any],
    ) -> None:
        # Here and not above: these import nothing heavy themselves, but belong to the run.
        from preftrain_trainer.evaluation.judge import Judge
        from preftrain_trainer.training.train import train

        log = root / EVALUATIONS
        judge = Judge(model, data, spec, layout, self.board, self.stop, log)
        trained = train(
            model,
            data,
            spec,
            layout,
            work=root,
            board=self.board,
            stop=self.stop,
            evaluate=judge,
        )
        evaluation = trained.evaluation or judge(trained.adapter_step)
        answer |= {
            "margins": [asdict(margin) for margin in judge.margins],
            "steps": trained.steps,
            "evaluated_at": [line["step"] for line in read_lines(log)],
            "rendering": trained.rendering,
            "findings": [finding.plain() for finding in self.board.snapshot().findings],
            "evaluation": evaluation and evaluation.plain(),
            "adapters": sorted(model.network.peft_config),
            "dtypes": sorted(
                {str(value.dtype) for value in model.network.parameters() if value.requires_grad}
            ),
            "end_hash": adapter_hash(model),
        }

    def _on_progress(self, progress: Any) -> None:
        if not self.phases or self.phases[-1] != progress.phase:
            self.phases.append(progress.phase)

    def _on_step(self, record: StepRecord) -> None:
        self.records.append(record)
        if record.step == self._stop_after:
            self.stop.request()


def adapter_hash(model: LoadedModel) -> str:
    """SHA-256 over the trained weights."""
    digest = hashlib.sha256()
    for name, value in sorted(model.network.named_parameters()):
        if value.requires_grad:
            digest.update(name.encode())
            digest.update(value.detach().numpy().tobytes())
    return digest.hexdigest()


def reported(folder: str, accuracies: list[float], guards: list[dict[str, Any]]) -> dict[str, Any]:
    """What a healthy run's reporter writes when evaluations after steps 60, 80, ... say this."""
    # Here, because it imports transformers, which must come after Unsloth.
    from preftrain_trainer.training.reporter import StepReporter

    book = GuardBook([GuardRule.parse(rule) for rule in guards], FACTS)
    log = Path(folder) / "metrics.jsonl"
    reporter = StepReporter(ProgressBoard("scene"), log, book)
    coming = iter(accuracies)
    error = None
    try:
        judged = reporter.judging(lambda step: evaluation(next(coming)))
        for record in healthy():
            logs = {"loss": record.loss or 0.0, "rewards/accuracies": record.reward_accuracy or 0.0}
            reporter.on_log(None, SimpleNamespace(global_step=record.step), None, logs)
            if record.step >= 60 and record.step % 20 == 0:
                judged(record.step)
    except TrainerError as stopped:
        error = str(stopped)
    return {"error": error, "lines": log.read_text().splitlines()}


def unknown_argument(name: str) -> str:
    """What happens when the real configuration class is given a name that it does not know."""
    from preftrain_trainer.methods.table import method_of
    from preftrain_trainer.training.arguments import arguments, configure

    spec = resolved_spec()
    method = method_of(spec.method)
    wanted = arguments(spec, fit(spec, 8, CPU), Path("unused"))
    try:
        configure(method.config_class(), wanted | {name: 1})
    except TrainerError as error:
        return str(error)
    return "nothing"


def out_of_memory() -> dict[str, Any]:
    """What becomes of torch's error when a GPU's memory is exhausted."""
    import torch

    try:
        with gpu_memory_reported("training"):
            raise torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 139 GiB in all."
            )
    except TrainerError as error:
        return {"code": int(error.exit_code), "message": str(error)}


def _samples(
    model: LoadedModel, data: PreparedData, spec: Any, layout: Fit, how: str
) -> list[dict[str, Any]]:
    from preftrain_trainer.evaluation.answering import answer_samples

    stop, ticks = StopRequest(), count(0, 25 if how == "slowly" else 0)
    if how == "stopped":
        stop.request()
    model.network.train()
    side = model.tokenizer.padding_side
    found = answer_samples(model, data, spec, layout, stop=stop, clock=lambda: float(next(ticks)))
    assert model.network.training
    assert model.tokenizer.padding_side == side
    return [asdict(sample) for sample in found]
