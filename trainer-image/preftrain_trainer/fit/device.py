"""Which device a run computes on, found out without importing torch.

The CUDA driver answers within milliseconds, so a pod without a usable GPU ends before it has
loaded anything. Unsloth would train on the CPU instead, without a word.
"""

import ctypes
import os
import platform
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Final, Literal

from preftrain_api.spec import ComputeSpec
from preftrain_trainer.errors import NoUsableGpu

_DRIVER: Final = "libcuda.so.1"
_CAPABILITY_MAJOR: Final = 75
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR of the CUDA driver API."""
_CAPABILITY_MINOR: Final = 76
_FIRST_WITH_BF16: Final = (8, 0)
_FIRST_USABLE: Final = (7, 0)
"""Triton, which Unsloth's kernels are written in, needs Volta or newer."""

_WAY_OUT: Final = "check the node's driver and device plugin, or set compute.accelerator to CPU"


@dataclass(frozen=True, slots=True)
class Device:
    """The one device of a run."""

    kind: Literal["GPU", "CPU"]
    name: str
    bf16: bool
    """Whether it computes in bfloat16 natively."""
    memory_bytes: int | None = None
    """Memory of the GPU; None for a CPU."""


def find_device(compute: ComputeSpec) -> Device:
    """The device that `compute.accelerator` names.

    Raises:
        NoUsableGpu: a GPU is asked for and the driver has none that can be used.
    """
    if compute.accelerator == "CPU":
        return Device("CPU", platform.processor() or platform.machine(), bf16=False)
    return _first_gpu()


def usable_cpus(cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """How many CPUs this process may use, by affinity and by the container's limit.

    Libraries count the machine's CPUs instead and start far more threads than can run, which
    then wait for each other.
    """
    allowed = len(os.sched_getaffinity(0))
    return max(1, min(allowed, ceil(_cpu_limit(cgroups) or allowed)))


def _cpu_limit(cgroups: Path) -> float | None:
    try:
        if (unified := cgroups / "cpu.max").is_file():
            quota, period = unified.read_text().split()
        else:
            quota = (cgroups / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (cgroups / "cpu" / "cpu.cfs_period_us").read_text()
        return None if quota == "max" or int(quota) <= 0 else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _first_gpu() -> Device:
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        raise NoUsableGpu(
            f"compute.accelerator is GPU, but this machine has no CUDA driver; {_WAY_OUT}"
        ) from None
    _call(driver, "cuInit", 0)
    count = ctypes.c_int()
    _call(driver, "cuDeviceGetCount", ctypes.byref(count))
    if count.value == 0:
        raise NoUsableGpu(f"compute.accelerator is GPU, but no GPU is visible; {_WAY_OUT}")
    handle = ctypes.c_int()
    _call(driver, "cuDeviceGet", ctypes.byref(handle), 0)
    name = ctypes.create_string_buffer(256)
    _call(driver, "cuDeviceGetName", name, len(name), handle)
    memory = ctypes.c_size_t()
    _call(driver, "cuDeviceTotalMem_v2", ctypes.byref(memory), handle)
    capability = (
        _attribute(driver, _CAPABILITY_MAJOR, handle),
        _attribute(driver, _CAPABILITY_MINOR, handle),
    )
    text = name.value.decode(errors="replace")
    if capability < _FIRST_USABLE:
        raise NoUsableGpu(
            f"the GPU {text} has compute capability {capability[0]}.{capability[1]}, but 7.0 is "
            f"needed; use a newer GPU"
        )
    return Device("GPU", text, bf16=capability >= _FIRST_WITH_BF16, memory_bytes=memory.value)


def _attribute(driver: ctypes.CDLL, attribute: int, handle: ctypes.c_int) -> int:
    value = ctypes.c_int()
    _call(driver, "cuDeviceGetAttribute", ctypes.byref(value), attribute, handle)
    return value.value


def _call(driver: ctypes.CDLL, function: str, *arguments: object) -> None:
    status = driver[function](*arguments)
    if status != 0:
        raise NoUsableGpu(
            f"compute.accelerator is GPU, but the CUDA driver answers error {status} to "
            f"{function}; {_WAY_OUT}"
        )
