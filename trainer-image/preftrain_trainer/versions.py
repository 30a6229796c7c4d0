"""Versions, for the manifest and checkpoints. Imports none of the libraries it asks about."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

LIBRARIES: Final = (
    "preftrain",
    "torch",
    "triton",
    "unsloth",
    "unsloth_zoo",
    "trl",
    "transformers",
    "peft",
    "bitsandbytes",
    "accelerate",
    "datasets",
    "tokenizers",
    "safetensors",
)


def versions() -> dict[str, str]:
    """Versions of the libraries that take part in training, as installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
