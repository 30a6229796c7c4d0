"""The hardware of a run, for the manifest."""

import os
import platform
from typing import Any

from preftrain_trainer.fit.device import Device


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
