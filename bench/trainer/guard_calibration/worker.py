"""One process of the calibration: loads the base model once and makes its share of the runs.

Each run is the project's own `train` with an adapter that was reset to fresh weights, so what
guards will judge are real records.
"""

import gc
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from bench.trainer.guard_calibration.health import Answers, Health, answers_of
from bench.trainer.guard_calibration.outcome import Outcome, append
from bench.trainer.guard_calibration.plan import DataSet, PlannedRun, planned
from preftrain_api.report import DataReport
from preftrain_api.resolve import resolve
from preftrain_api.spec import ComputeSpec, PreferenceTrainingJobSpec
from preftrain_api.wire import ALLOW_FILE
from preftrain_trainer.data.load import load
from preftrain_trainer.data.pairs import PreparedData, as_pairs
from preftrain_trainer.data.tokens import TokenizedPair, tokenization_of
from preftrain_trainer.errors import GuardStopped, TrainerError
from preftrain_trainer.fit.device import Device, find_device
from preftrain_trainer.fit.layout import Fit, fit
from preftrain_trainer.guards.rules import facts_of
from preftrain_trainer.guards.table import GUARDS
from preftrain_trainer.places.model_source import FetchedModel
from preftrain_trainer.places.opening import open_source
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.stop import StopRequest
from preftrain_trainer.workspace import Workspace

TRAIN_PAIRS: Final = 700
"""Pairs a run may see, drawn by its seed; the rest of a large set is not even tokenized."""
HELD_OUT_FRACTION: Final = 0.2
HELD_OUT_PAIRS: Final = 96
ANSWERS: Final = 50
LONGEST_ANSWER: Final = 64
LONGEST_PROMPT: Final = 192
EVAL_BATCH: Final = 16
SLACK: Final = 1.15
"""A run is begun only where 1.15 times the longest one so far still fits."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What one process is told."""

    model: Path
    data: Path
    second_data: Path | None
    out: Path
    device: str
    steps: int
    max_length: int
    number: int
    """Of this process, from 0."""
    processes: int
    most_runs: int | None
    """Of all processes together."""
    deadline: float
    """As time.time()."""


@dataclass(frozen=True, slots=True)
class _Pairs:
    """One data set with what the base model makes of it."""

    data: PreparedData
    held_out: Sequence[TokenizedPair]
    prompts: Sequence[Sequence[int]]
    base_answers: Answers

    @property
    def chosen_tokens(self) -> float:
        return sum(len(pair.chosen) for pair in self.held_out) / len(self.held_out)


def work(orders: Orders) -> int:
    """Make every n-th of the planned runs until time is up."""
    from preftrain_trainer.model import loading

    mine = islice(
        planned(orders.second_data is not None),
        orders.number,
        orders.most_runs,
        orders.processes,
    )
    first = PlannedRun(0, "First", 0, 1e-4, 0.1, ("Sigmoid",))
    spec = _spec(orders, first)
    device = find_device(spec.compute or ComputeSpec())
    caches = Path(tempfile.gettempdir()) / "guard-calibration" / str(orders.number)
    loading.prepare_environment(device, caches)
    layout = _layout(spec, TRAIN_PAIRS, device)
    source = FetchedModel(orders.model, f"file://{orders.model}", "calibration")
    model = loading.load_model(source, spec, layout)
    sets: dict[DataSet, _Pairs] = {}
    longest = 0.0
    for run in mine:
        started = time.time()
        if started + SLACK * longest > orders.deadline:
            break
        try:
            if run.data not in sets:
                sets[run.data] = _read(orders, run.data, model, layout)
            outcome = _make(orders, run, model, sets[run.data], device)
        except TrainerError as error:
            _say(orders, f"run {run.number} failed: {error}")
            continue
        append(orders.out / "runs.jsonl", outcome)
        longest = max(longest, time.time() - started)
        _say(
            orders,
            f"run {run.number}: {run.data} seed {run.seed} rate {run.learning_rate:g} beta "
            f"{run.beta:g} {'+'.join(run.losses)}: {outcome.verdict} in {outcome.seconds:.0f} s",
        )
    return 0


def _make(orders: Orders, run: PlannedRun, model: Any, pairs: _Pairs, device: Device) -> Outcome:
    from preftrain_trainer.training.feed import desirable_tokens, read_material
    from preftrain_trainer.training.train import train

    started = time.time()
    spec = _spec(orders, run)
    chance = random.Random(run.seed)  # noqa: S311  # no secret is made
    train_pairs = as_pairs(pairs.data.train)
    data = replace(pairs.data, train=chance.sample(train_pairs, min(TRAIN_PAIRS, len(train_pairs))))
    layout = _layout(spec, len(data.train), device)
    _reset_adapter(model, run.seed)
    board, stop = ProgressBoard("calibration"), StopRequest()
    with tempfile.TemporaryDirectory() as folder:
        train(model, data, spec, layout, work=Path(folder), board=board, stop=stop)
        text = (Path(folder) / "report" / "metrics.jsonl").read_text(encoding="utf-8")
    records = tuple(json.loads(line) for line in text.splitlines())
    material = read_material(model, data, spec, stop)
    facts = facts_of(
        spec,
        layout,
        examples=len(material.examples),
        chosen_tokens=desirable_tokens(material, orders.max_length),
        expected=None,
    )
    health, accuracy = _health(model, pairs, spec, layout, records)
    _give_memory_back()
    return Outcome(run, facts, records, health, accuracy, time.time() - started)


def _health(
    model: Any,
    pairs: _Pairs,
    spec: PreferenceTrainingJobSpec,
    layout: Fit,
    records: Sequence[dict[str, Any]],
) -> tuple[Health | None, float | None]:
    from bench.trainer.guard_calibration.answers import greedy_answers
    from preftrain_trainer.evaluation.evaluate import evaluate, read_held_out

    if isinstance(records[-1]["loss"], str):
        return None, None  # no number any more; neither are the weights
    stop = StopRequest()
    try:
        evaluation = evaluate(
            model,
            read_held_out(model, pairs.data, spec, stop),
            pairs.data,
            spec,
            replace(layout, eval_batch_size=EVAL_BATCH),
            board=ProgressBoard("calibration"),
            stop=stop,
        )
    except GuardStopped:
        return None, None  # the last update made them so
    if evaluation is None or evaluation.chosen_log_ratio is None:
        raise SystemExit("no pairs were held out")
    answers = greedy_answers(model, pairs.prompts, layout, LONGEST_ANSWER)
    health = Health(
        nats_lost=-evaluation.chosen_log_ratio / pairs.chosen_tokens,
        answers=answers_of(answers),
        base_answers=pairs.base_answers,
        chosen_tokens=pairs.chosen_tokens,
    )
    return health, evaluation.reward_accuracy


def _read(orders: Orders, name: DataSet, model: Any, layout: Fit) -> _Pairs:
    """A data set, split once and for all, with the base model's answers to its prompts."""
    from bench.trainer.guard_calibration.answers import greedy_answers

    spec = _spec(orders, PlannedRun(0, name, 0, 1e-4, 0.1, ("Sigmoid",)))
    nowhere = Path("/nonexistent")
    place = Workspace(nowhere, nowhere, nowhere, nowhere, Path("/"), None, "calibration")
    # Examples are read from where they are kept for as long as they are used.
    scratch = Path(tempfile.mkdtemp(prefix="calibration-"))
    loaded = load(open_source(spec.dataset, place), spec, scratch)
    held_out = as_pairs(loaded.held_out)[:HELD_OUT_PAIRS]
    data = PreparedData(
        train=loaded.train,
        held_out=held_out,
        conversational=loaded.conversational,
        digest=loaded.digest,
        report=DataReport(rows=0, train_rows=0, eval_rows=0),
    )
    tokenized = _tokenized(model, spec, held_out, data.conversational)
    prompts = sorted(dict.fromkeys(pair.prompt for pair in tokenized), key=len)
    short = [prompt for prompt in prompts if len(prompt) <= LONGEST_PROMPT] or prompts
    # Evenly over the lengths, so that not all are one-liners.
    chosen = short[:: max(1, len(short) // ANSWERS)][:ANSWERS]
    with model.network.disable_adapter():
        answers = greedy_answers(model, chosen, layout, LONGEST_ANSWER)
    return _Pairs(data, tokenized, chosen, answers_of(answers))


def _tokenized(
    model: Any, spec: PreferenceTrainingJobSpec, pairs: Any, conversational: bool
) -> Sequence[TokenizedPair]:
    length = spec.training.max_length if spec.training else 0
    tokenization = tokenization_of(model.tokenizer, model.end_marks, length, spec.dataset)
    return tuple(tokenization.tokenize(as_pairs(pairs), conversational).examples)


def _spec(orders: Orders, run: PlannedRun) -> PreferenceTrainingJobSpec:
    path = orders.data if run.data == "First" else orders.second_data
    raw = {
        "model": {"uri": f"file://{orders.model}", "quantization": "None"},
        "dataset": {
            "uri": f"file://{path}",
            "evalFraction": HELD_OUT_FRACTION,
            "audit": {"policy": "Warn"},
        },
        "output": {"uri": "file:///unused"},
        "compute": {"accelerator": orders.device},
        # A wrong first step would say that the adapter was not fresh; all others only watch.
        "guards": [
            {"name": name, "action": "Warn"} for name in GUARDS if name != "StepOneIdentity"
        ],
        **run.members(orders.steps, orders.max_length),
    }
    return resolve(PreferenceTrainingJobSpec.parse(raw, context={ALLOW_FILE: True}))


def _layout(spec: PreferenceTrainingJobSpec, pairs: int, device: Device) -> Fit:
    """Without gradient checkpointing: a small model has memory to spare, and no time."""
    return replace(fit(spec, pairs, device), gradient_checkpointing=False)


def _give_memory_back() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _reset_adapter(model: Any, seed: int) -> None:
    """Give the adapter the weights of a fresh one; the base model was never changed."""
    import torch
    from peft.tuners.lora import LoraLayer

    from preftrain_trainer.model.loading import ADAPTER

    torch.manual_seed(seed)
    for module in model.network.modules():
        if isinstance(module, LoraLayer) and ADAPTER in module.lora_A:
            module.reset_lora_parameters(ADAPTER, True)


def _say(orders: Orders, text: str) -> None:
    print(f"[{orders.number}] {text}", file=sys.stderr, flush=True)


def orders_from_environment() -> Orders:
    """The orders that the parent has put into the environment."""
    told = json.loads(os.environ["GUARD_CALIBRATION"])
    paths = {name: Path(told[name]) for name in ("model", "data", "out")}
    second = Path(told["second_data"]) if told["second_data"] else None
    return Orders(**{**told, **paths, "second_data": second})
