"""Writes the trained adapter as a folder that plain PEFT loads.

Only the trained weights, the name and revision of the base model they belong to, and the base
model's own tokenizer files, byte for byte.
"""

import json
import shutil
from pathlib import Path
from typing import Final

from preftrain_api.places import parse_uri
from preftrain_trainer.errors import InternalError
from preftrain_trainer.model.loading import ADAPTER, LoadedModel
from preftrain_trainer.places.model_source import FetchedModel

TOKENIZER_FILES: Final = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)
_CONFIG: Final = "adapter_config.json"
_WEIGHTS: Final = "adapter_model.safetensors"


def export_adapter(model: LoadedModel, folder: Path, source: FetchedModel) -> None:
    """Write adapter, configuration and tokenizer into the empty `folder`.

    Raises:
        InternalError: the library wrote something else than the adapter.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.network.save_pretrained(str(folder), selected_adapters=[ADAPTER], safe_serialization=True)
    # PEFT writes a model card with placeholders; the report says more.
    (folder / "README.md").unlink(missing_ok=True)
    _name_base(folder / _CONFIG, source)
    for name in TOKENIZER_FILES:
        if (source.folder / name).is_file():
            shutil.copyfile(source.folder / name, folder / name)
    _check(folder)


def _name_base(path: Path, source: FetchedModel) -> None:
    """Put the model's public name in the place of the local folder it was loaded from."""
    config = json.loads(path.read_text(encoding="utf-8"))
    place = parse_uri(source.uri)
    config["base_model_name_or_path"] = place.root if place.scheme == "hf" else source.uri
    # Only a hub has revisions; for others the manifest holds the digest.
    config["revision"] = source.commit if place.scheme == "hf" else None
    config["inference_mode"] = True
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _check(folder: Path) -> None:
    from safetensors import safe_open

    with safe_open(str(folder / _WEIGHTS), framework="pt") as weights:
        names = list(weights.keys())
    strangers = [name for name in names if ".lora_A." not in name and ".lora_B." not in name]
    if not names or strangers:
        raise InternalError(
            f"the exported adapter has {len(names)} tensors, among them {strangers[:1]}"
        )
    if folders := [path.name for path in folder.iterdir() if path.is_dir()]:
        raise InternalError(f"the exported adapter has further adapters: {folders}")
