"""Reads the classes that Unsloth generates for a GPU, on a machine without one.

Unsloth rewrites TRL's trainers when it finds a GPU; told that a CPU is allowed in its place it
writes the same files, though they cannot train. Run as `python -m support.gpu_classes FOLDER`;
prints JSON.
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from preftrain_api.spec.method import MethodType
from preftrain_trainer.fit.device import Device
from preftrain_trainer.methods.table import METHODS


def main() -> None:
    """Generate the classes in `FOLDER`, configure them as for a GPU, and print what came of it."""
    folder = Path(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from preftrain_trainer.model.loading import prepare_environment

    gpu = Device("GPU", "pretended", bf16=True)
    prepare_environment(gpu, folder)
    del os.environ["UNSLOTH_DISABLE_CPU_FALLBACK"]
    os.environ |= {"UNSLOTH_ALLOW_CPU": "1", "HF_HUB_OFFLINE": "1"}
    import unsloth  # noqa: F401

    answers.write(json.dumps(_read(folder, gpu)))
    answers.close()


def _read(folder: Path, gpu: Device) -> dict[str, object]:
    import torch
    from unsloth.models.rl import patch_trl_rl_trainers

    patch_trl_rl_trainers()
    # What the machine lacks, and the configuration insists on.
    settings: Any = import_module("transformers.training_args")
    settings.is_torch_bf16_gpu_available = lambda: True
    settings.TrainingArguments.device = property(lambda _: torch.device("cpu"))
    return {name: _method(name, folder, gpu) for name in METHODS}


def _method(name: MethodType, folder: Path, gpu: Device) -> dict[str, object]:
    import inspect

    from preftrain_trainer.errors import TrainerError
    from preftrain_trainer.fit.layout import fit
    from preftrain_trainer.methods.labels import weighted
    from preftrain_trainer.training.arguments import arguments, configure
    from support.specs import resolved_spec

    method = METHODS[name]
    spec = resolved_spec(
        compute={"accelerator": "GPU"}, model={"quantization": "NF4"}, method={"type": name}
    )
    if name == "KTO":
        spec = spec.model_copy(update={"method": weighted(spec.method, 3, 2)})
    wanted = arguments(spec, fit(spec, 80, gpu), folder / "out")
    error = None
    try:
        configure(method.config_class(), wanted)
    except TrainerError as problem:
        error = str(problem)
    return {
        "trainer": method.trainer_class().__name__,
        "error": error,
        "source": inspect.getsource(sys.modules[method.trainer_class().__module__]),
    }


if __name__ == "__main__":
    main()
