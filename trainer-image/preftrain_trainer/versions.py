"""Versions and hardware, for the manifest. Imports none of the libraries it asks about."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from preftrain_trainer.fit.device import Device

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


def environment(device: Device, peak_gpu_bytes: int | None = None) -> dict[str, Any]:
    """The hardware of this run, and how much of the GPU's memory it took."""
    found: dict[str, Any] = {
        "accelerator": device.kind,
        "device": device.name,
        "machine": platform.machine(),
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
    }
    if device.memory_bytes is not None:
        found["gpuMemoryBytes"] = device.memory_bytes
    if peak_gpu_bytes is not None:
        found["peakGpuMemoryBytes"] = peak_gpu_bytes
    return found
