"""What is exported of a tiny model: its adapter, and its merged weights held against it."""

from pathlib import Path
from typing import Any

from preftrain_api.report import DataReport
from preftrain_trainer.data.pairs import PreparedData
from preftrain_trainer.fit.device import Device
from preftrain_trainer.fit.layout import Fit, fit
from preftrain_trainer.model.loading import LoadedModel, load_model
from preftrain_trainer.places.model_source import FetchedModel
from support.made_examples import made_pairs
from support.specs import resolved_spec
from support.tiny_model import make_tiny_model

IDS = list(range(5, 25))
"""Token ids on which logits are compared."""
CPU = Device("CPU", "test", bf16=False)


def merging_in_4_bits(folder: str) -> dict[str, Any]:
    """Merge an adapter with large weights into a base in 4 bits, as a GPU would hold it."""
    root = Path(folder)
    source = FetchedModel(make_tiny_model(root / "model"), f"file://{root}/model", "sha256:tiny")
    layout = fit(resolved_spec(), 8, CPU)
    model = load_model(source, resolved_spec(model={"quantization": "NF4"}), layout)
    spoil_weights(model, "adapter")
    pairs = made_pairs(4)
    report = DataReport(rows=4, train_rows=0, eval_rows=4)
    data = PreparedData([], pairs, False, f"sha256:{'0' * 64}", report)
    quantized = {type(value).__name__ for value in model.network.parameters()}
    answer = _merge(model, source, data, layout, root)
    full = load_model(source, resolved_spec(), layout)
    spoil_weights(full, "adapter")
    logits, on_full = _plain_logits(model), _plain_logits(full)
    return answer | {
        "parameters": sorted(quantized),
        "on_full_weights": float((logits - on_full).abs().max() / logits.std()),
    }


def export_and_merge(
    model: LoadedModel, source: FetchedModel, data: PreparedData, layout: Fit, root: Path
) -> dict[str, Any]:
    """Write the adapter and merged weights, and say what the model itself answers."""
    from preftrain_trainer.publishing.export import export_adapter

    folder = root / "adapter"
    export_adapter(model, folder, source)
    return {
        "ids": IDS,
        "logits": _plain_logits(model).tolist(),
        "files": sorted(p.name for p in folder.iterdir()),
        "merged": _merge(model, source, data, layout, root),
    }


def _merge(
    model: LoadedModel, source: FetchedModel, data: PreparedData, layout: Fit, root: Path
) -> dict[str, Any]:
    from preftrain_trainer.publishing.fidelity import check_merged
    from preftrain_trainer.publishing.merging import write_merged

    folder = root / "merged"
    retained = write_merged(model, folder, source, layout.precision, shard_bytes=100_000)
    checked = check_merged(model, folder, data, layout, retained=retained, work=root / "comparison")
    return {"check": checked.plain(), "files": sorted(p.name for p in folder.iterdir())}


def _plain_logits(model: LoadedModel) -> Any:
    import torch

    model.network.eval()
    with torch.no_grad():
        return model.network(input_ids=torch.tensor([IDS])).logits[0]


def spoil_weights(model: LoadedModel, how: str | None) -> None:
    """Make the adapter one that was trained (`adapter`), or one weight no number (`weights`)."""
    import torch

    with torch.no_grad():
        for name, value in model.network.named_parameters():
            if how == "adapter" and "lora_B" in name:
                value.fill_(0.05)
            if how == "weights" and name.endswith("model.norm.weight"):
                value[0] = float("nan")
