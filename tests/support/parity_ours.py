"""This trainer's side of the parity test: every case trained for five steps, and written down.

Each case leaves the examples of every step as they were fed, the adapter before every step, and
the logged figures.
"""

from pathlib import Path
from typing import Any

from preftrain_api.report import DataReport
from preftrain_trainer.data.pairs import PreparedData
from preftrain_trainer.fit.device import Device
from preftrain_trainer.fit.layout import fit
from preftrain_trainer.methods.labels import settled
from preftrain_trainer.model.loading import LoadedModel, load_model
from preftrain_trainer.places.model_source import FetchedModel
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.progress.records import StepRecord
from preftrain_trainer.stop import StopRequest
from support.parity_cases import BATCH, CASES, STEPS, TRAINING, pairs
from support.specs import resolved_spec
from support.tiny_model import make_tiny_model


def parity(folder: str) -> dict[str, list[dict[str, Any]]]:
    """Train every case; returns the logged figures by case and step, and leaves the rest in
    `<folder>/<case>.pt`.
    """
    root = Path(folder)
    source = FetchedModel(make_tiny_model(root / "model"), f"file://{root}/model", "sha256:tiny")
    return {name: _train(root, source, name, method) for name, method in CASES.items()}


def _train(
    root: Path, source: FetchedModel, name: str, method: dict[str, Any]
) -> list[dict[str, Any]]:
    import torch

    from preftrain_trainer.training.feed import make_feed, read_material
    from preftrain_trainer.training.train import train

    spec = resolved_spec(training=TRAINING, method=method)
    made = pairs()
    report = DataReport(rows=len(made), train_rows=len(made), eval_rows=0)
    data = PreparedData(made, [], False, f"sha256:{'0' * 64}", report)
    layout = fit(spec, len(made), Device("CPU", "test", bf16=False))
    model = load_model(source, spec, layout)
    board, stop = ProgressBoard("parity"), StopRequest()
    weighted = spec.model_copy(update={"method": settled(spec.method, made)})
    material = read_material(model, data, weighted, stop)
    feed = make_feed(model, material, weighted, layout, stop)
    adapters = [_adapter(model)]
    steps: list[dict[str, Any]] = []

    def write_down(record: StepRecord) -> None:
        adapters.append(_adapter(model))
        steps.append({"loss": record.loss, "margin": record.reward_margin})

    board.add_step_listener(write_down)
    train(model, data, spec, layout, work=root / name, board=board, stop=stop)
    fed = [[feed[step * BATCH + at] for at in range(BATCH)] for step in range(STEPS)]
    torch.save({"fed": fed, "adapters": adapters[:STEPS]}, root / f"{name}.pt")
    return steps


def _adapter(model: LoadedModel) -> dict[str, Any]:
    return {
        name: value.detach().clone()
        for name, value in model.network.named_parameters()
        if value.requires_grad
    }
