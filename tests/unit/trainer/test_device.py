"""Finding the device without importing torch."""

from pathlib import Path

import pytest

from preftrain_api.spec import ComputeSpec
from preftrain_trainer.errors import NoUsableGpu
from preftrain_trainer.fit import device
from preftrain_trainer.fit.device import find_device, usable_cpus


def test_a_missing_driver_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that was asked for is never replaced by the CPU."""
    monkeypatch.setattr(device, "_DRIVER", "libcuda-that-is-not-there.so.1")
    with pytest.raises(NoUsableGpu, match=r"no CUDA driver.*compute\.accelerator to CPU"):
        find_device(ComputeSpec())


def test_the_cpu_is_taken_when_it_is_asked_for() -> None:
    """Even where there is a GPU."""
    assert find_device(ComputeSpec(accelerator="CPU")).kind == "CPU"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_threads_follow_the_limit_of_the_container(
    tmp_path: Path, files: dict[str, str], expected: int | None
) -> None:
    """Both generations of control groups; without a limit the process's affinity counts."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    unlimited = usable_cpus(tmp_path / "nothing")
    assert usable_cpus(tmp_path) == (unlimited if expected is None else expected)
