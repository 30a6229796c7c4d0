"""What the trainer tests let happen in a process with Unsloth; played by `trainer_worker`.

Each scene takes and returns plain JSON data. Nothing is asserted here.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from preftrain_api.report import DataReport
from preftrain_trainer.data.pairs import (
    Example,
    LabelledAnswer,
    Message,
    PreferencePair,
    PreparedData,
    as_pairs,
)
from preftrain_trainer.errors import TrainerError
from preftrain_trainer.fit.device import Device, gpu_memory_reported
from preftrain_trainer.fit.layout import fit
from preftrain_trainer.model.loading import LoadedModel, load_model
from preftrain_trainer.places.model_source import FetchedModel
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.progress.records import StepRecord
from preftrain_trainer.stop import StopRequest
from support.parity_ours import parity as parity
from support.specs import resolved_spec
from support.tiny_model import CHATML, make_tiny_model

CPU = Device("CPU", "test", bf16=False)


def made_answers(count: int) -> list[LabelledAnswer]:
    """The same answers with a label each, three good ones to a bad one."""
    pairs = made_pairs(count)
    return [
        LabelledAnswer(pair.row, pair.prompt, pair.chosen, desirable=True)
        if pair.row % 4
        else LabelledAnswer(pair.row, pair.prompt, pair.rejected, desirable=False)
        for pair in pairs
    ]


def made_pairs(count: int, *, conversational: bool = False) -> list[PreferencePair]:
    """Pairs whose chosen answers are short and whose rejected ones ramble."""
    texts = [
        (f"What is {n} plus {n}?", f"It is {2 * n}.", f"Well, to be honest, I think it is {n}.")
        for n in range(1, count + 1)
    ]
    if not conversational:
        return [PreferencePair(row, *text) for row, text in enumerate(texts, 1)]
    return [
        PreferencePair(
            row,
            (_turn("system", "Please be short."), _turn("user", prompt)),
            (_turn("assistant", chosen),),
            (_turn("assistant", rejected),),
        )
        for row, (prompt, chosen, rejected) in enumerate(texts, 1)
    ]


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
        export: write the adapter, and return logits to hold the exported one against.
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
        _spoil(model, spoil)
        scene.play(model, data, spec, layout, root, answer)
        if by_hand:
            answer["by_hand"] = _likelihoods_by_hand(model, as_pairs(data.held_out))
        if export:
            answer["export"] = _export(model, source, root / "adapter")
    except TrainerError as error:
        answer["error"] = {
            "type": type(error).__name__,
            "code": int(error.exit_code),
            "message": str(error),
        }
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
        from preftrain_trainer.evaluation.evaluate import evaluate
        from preftrain_trainer.training.train import train

        def judge() -> Any:
            return evaluate(model, data, spec, layout, board=self.board, stop=self.stop)

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
        evaluation = judge()
        answer |= {
            "steps": trained.steps,
            "rendering": trained.rendering,
            "findings": [finding.plain() for finding in trained.findings],
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


def _spoil(model: LoadedModel, how: str | None) -> None:
    import torch

    with torch.no_grad():
        for name, value in model.network.named_parameters():
            if how == "adapter" and "lora_B" in name:
                value.fill_(0.05)
            if how == "weights" and name.endswith("model.norm.weight"):
                value[0] = float("nan")


def _likelihoods_by_hand(
    model: LoadedModel, pairs: Sequence[PreferencePair]
) -> list[dict[str, float]]:
    """Sums of log-probabilities from plain logits in 64 bits, a sequence at a time."""
    with model.network.disable_adapter():
        reference = [_pair_by_hand(model, pair) for pair in pairs]
    policy = [_pair_by_hand(model, pair) for pair in pairs]
    return [
        {
            "chosen": ours[0].answer,
            "rejected": ours[1].answer,
            "ref_chosen": theirs[0].answer,
            "ref_rejected": theirs[1].answer,
            "chosen_tokens": ours[0].answer_tokens,
            "rejected_tokens": ours[1].answer_tokens,
            "prompt": ours[0].prompt,
            "prompt_tokens": ours[0].prompt_tokens,
        }
        for ours, theirs in zip(policy, reference, strict=True)
    ]


@dataclass(frozen=True)
class _ByHand:
    answer: float
    answer_tokens: int
    prompt: float
    prompt_tokens: int


def _pair_by_hand(model: LoadedModel, pair: PreferencePair) -> tuple[_ByHand, _ByHand]:
    prompt = f"<|im_start|>user\n{pair.prompt}<|im_end|>\n<|im_start|>assistant\n"
    return (
        _answer_by_hand(model, prompt, f"{pair.chosen}<|im_end|>\n"),
        _answer_by_hand(model, prompt, f"{pair.rejected}<|im_end|>\n"),
    )


def _answer_by_hand(model: LoadedModel, prompt: str, answer: str) -> _ByHand:
    import torch

    encode: Callable[..., Any] = model.tokenizer
    start = len(encode(prompt, add_special_tokens=False)["input_ids"])
    ids = encode(prompt + answer, add_special_tokens=False)["input_ids"]
    model.network.eval()
    with torch.no_grad():
        logits = model.network(input_ids=torch.tensor([ids])).logits[0].double()
    table = torch.log_softmax(logits, dim=-1)
    scores = [float(table[at - 1, ids[at]]) for at in range(1, len(ids))]
    return _ByHand(sum(scores[start - 1 :]), len(ids) - start, sum(scores[: start - 1]), start - 1)


def _export(model: LoadedModel, source: FetchedModel, folder: Path) -> dict[str, Any]:
    import torch

    from preftrain_trainer.publishing.export import export_adapter

    export_adapter(model, folder, source)
    ids = list(range(5, 25))
    model.network.eval()
    with torch.no_grad():
        logits = model.network(input_ids=torch.tensor([ids])).logits[0]
    return {
        "ids": ids,
        "logits": logits.tolist(),
        "files": sorted(p.name for p in folder.iterdir()),
    }


def _turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}
