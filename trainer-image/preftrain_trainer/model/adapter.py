"""The trained weights of a model, out of it and into it.

Imports PEFT, so it must be imported after `model.loading` has imported Unsloth.
"""

from pathlib import Path
from typing import Any

from peft import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file

from preftrain_trainer.errors import InternalError
from preftrain_trainer.model.loading import ADAPTER, LoadedModel


def adapter_arrays(model: LoadedModel) -> dict[str, Any]:
    """The adapter's tensors as numpy arrays, by their names in an exported adapter."""
    return {name: value.cpu().numpy() for name, value in _tensors(model).items()}


def save_adapter(model: LoadedModel, path: Path) -> None:
    """Write the adapter's tensors to a safetensors file.

    Raises:
        OSError: the disk is full or fails.
    """
    save_file(_tensors(model), path, {"format": "pt"})


def load_adapter(model: LoadedModel, path: Path) -> None:
    """Put the tensors of a file that `save_adapter` wrote in the place of the model's.

    Raises:
        InternalError: the file holds other tensors than the adapter has.
    """
    tensors = load_file(path)
    if tensors.keys() != _tensors(model).keys():
        raise InternalError(f"{path.name} holds the tensors of another adapter")
    set_peft_model_state_dict(model.network, tensors, adapter_name=ADAPTER)


def _tensors(model: LoadedModel) -> dict[str, Any]:
    # The embeddings are never trained; the library would ask the hub whether they were.
    state = get_peft_model_state_dict(
        model.network, adapter_name=ADAPTER, save_embedding_layers=False
    )
    return {name: value.detach().contiguous() for name, value in state.items()}
