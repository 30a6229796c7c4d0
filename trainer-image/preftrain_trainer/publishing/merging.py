"""Writes the base model with the adapter merged into it, in 16 bits, for plain transformers.

What is merged into are the weights that the adapter was trained against: of a base in 4 bits
its dequantized weights, not the full ones that it was made from (docs/adr/0024). Tensors are
computed one at a time, in 32 bits, and written a shard at a time, so memory stays bounded.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from preftrain_trainer.errors import InternalError
from preftrain_trainer.fit.layout import Precision
from preftrain_trainer.model.loading import ADAPTER, LoadedModel
from preftrain_trainer.places.model_source import FetchedModel
from preftrain_trainer.publishing.export import TOKENIZER_FILES

SHARD_BYTES: Final = 2 << 30
"""Largest shard; this much memory is needed beside the model."""

MergedType = Literal["BF16", "FP16"]
MERGED_TYPE: Final[Mapping[Precision, MergedType]] = {
    "FP32": "BF16",
    "BF16": "BF16",
    "FP16": "FP16",
}
"""In which type the weights are written, by the precision of training."""
_TORCH_NAMES: Final = {"BF16": "bfloat16", "FP16": "float16"}
_BYTES_PER_WEIGHT: Final = 2
_INDEX: Final = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor of the merged model that is computed when it is asked for."""

    name: str
    elements: int
    value: Callable[[], Any]


class _Change:
    """How much of the adapter's change of the weights is left after rounding."""

    def __init__(self) -> None:
        self._kept = 0.0
        self._asked = 0.0

    def note(self, before: Any, delta: Any, after: Any) -> None:
        self._kept += float(((after.float() - before) * delta).sum())
        self._asked += float((delta * delta).sum())

    @property
    def retained(self) -> float:
        """Projection of the real change on the asked one; 1 when nothing is lost."""
        return self._kept / self._asked if self._asked else 1.0


def write_merged(
    model: LoadedModel,
    folder: Path,
    source: FetchedModel,
    precision: Precision,
    *,
    between: Callable[[], None] = lambda: None,
    shard_bytes: int = SHARD_BYTES,
) -> float:
    """Write weights, configuration and tokenizer into the empty `folder`.

    Rounding to 16 bits loses changes that are smaller than the distance of two neighbouring
    values; the share of the adapter's change that is left is returned.

    Args:
        model: base model with the trained adapter; is not changed.
        folder: takes the model.
        source: where the base model came from; configuration and tokenizer are copied.
        precision: of training; decides between BF16 and FP16.
        between: called before every tensor.
        shard_bytes: largest size of one file.

    Raises:
        InternalError: the model has parts that cannot be merged.
    """
    import torch
    from safetensors.torch import save_file

    kind = MERGED_TYPE[precision]
    dtype = getattr(torch, _TORCH_NAMES[kind])
    change = _Change()
    tensors = list(_tensors(model.network.get_base_model(), dtype, change))
    shards = _shards(tensors, shard_bytes)
    folder.mkdir(parents=True, exist_ok=True)
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        name = _shard_name(number, len(shards))
        values = {}
        for tensor in shard:
            between()
            with torch.no_grad():
                values[tensor.name] = tensor.value().to("cpu").contiguous()
        save_file(values, str(folder / name), metadata={"format": "pt"})
        weight_map |= dict.fromkeys(values, name)
    if len(shards) > 1:
        total = sum(tensor.elements for tensor in tensors) * _BYTES_PER_WEIGHT
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (folder / _INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
    _copy_configuration(source.folder, folder, _TORCH_NAMES[kind])
    return change.retained


def _tensors(base: Any, dtype: Any, change: _Change) -> Iterator[_Tensor]:
    """All tensors of the model under the names that they have without an adapter."""
    from peft.tuners.lora import LoraLayer

    seen: set[int] = set()
    inside: tuple[str, ...] = ()
    for prefix, module in base.named_modules():
        if inside and prefix.startswith(inside):
            continue
        own = module
        if isinstance(module, LoraLayer):
            inside = (f"{prefix}.",)
            own = module.get_base_layer()
        for name, parameter in own.named_parameters(recurse=False):
            # Tied weights, as an output layer that is the embedding, are stored once.
            if id(parameter) in seen:
                continue
            seen.add(id(parameter))
            adapted = module if own is not module and name == "weight" else None
            yield _parameter(f"{prefix}.{name}", own, name, adapted, dtype, change)
        for name, buffer in own.named_buffers(recurse=False):
            if name not in own._non_persistent_buffers_set:
                yield _Tensor(f"{prefix}.{name}", buffer.numel(), partial(_itself, buffer))


def _itself(buffer: Any) -> Any:
    return buffer


def _parameter(
    name: str, module: Any, attribute: str, adapted: Any, dtype: Any, change: _Change
) -> _Tensor:
    parameter = getattr(module, attribute)
    state = getattr(parameter, "quant_state", None)
    elements = parameter.numel() if state is None else state.shape.numel()

    def plain() -> Any:
        if state is None:
            return parameter.data
        from peft.utils.integrations import dequantize_module_weight

        return dequantize_module_weight(module).data

    def merged() -> Any:
        before = plain().float()
        delta = adapted.get_delta_weight(ADAPTER).to(before.device).float()
        if delta.shape != before.shape:
            raise InternalError(
                f"the adapter of {name} has the shape {tuple(delta.shape)}, the weight "
                f"{tuple(before.shape)}"
            )
        after = (before + delta).to(dtype)
        change.note(before, delta, after)
        return after

    return _Tensor(name, elements, merged if adapted is not None else lambda: plain().to(dtype))


def _shards(tensors: Sequence[_Tensor], shard_bytes: int) -> list[list[_Tensor]]:
    """The tensors in order, cut where a shard would become too large."""
    shards: list[list[_Tensor]] = [[]]
    size = 0
    for tensor in tensors:
        grown = size + tensor.elements * _BYTES_PER_WEIGHT
        if shards[-1] and grown > shard_bytes:
            shards.append([])
            grown = tensor.elements * _BYTES_PER_WEIGHT
        shards[-1].append(tensor)
        size = grown
    return shards


def _shard_name(number: int, count: int) -> str:
    if count == 1:
        return "model.safetensors"
    return f"model-{number:05d}-of-{count:05d}.safetensors"


def _copy_configuration(source: Path, folder: Path, dtype: str) -> None:
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config.pop("quantization_config", None)
    config["dtype"] = dtype
    if "torch_dtype" in config:  # the older name, which readers of either version understand
        config["torch_dtype"] = dtype
    (folder / "config.json").write_text(
        json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )
    names = [*TOKENIZER_FILES, "generation_config.json"]
    for path in sorted(source.iterdir()):
        if path.name in names or path.suffix == ".py":
            shutil.copyfile(path, folder / path.name)
