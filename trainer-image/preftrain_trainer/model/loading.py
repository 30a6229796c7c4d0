"""Loads the base model, puts the adapter on it, and prepares the process for both.

The only module that imports Unsloth. The import patches transformers, PEFT, TRL and
bitsandbytes, so it must come before any of them; whoever needs those receives a `LoadedModel`
first and thereby comes later.
"""

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preftrain_api.resolve import TARGET_MODULES
from preftrain_api.spec import LoraSpec, PreferenceTrainingJobSpec, TrainingSpec
from preftrain_trainer.errors import BadSpec, InternalError, ModelUnavailable, NoUsableGpu
from preftrain_trainer.fit.device import Device, usable_cpus
from preftrain_trainer.fit.layout import Fit
from preftrain_trainer.fit.memory import gpu_memory_reported
from preftrain_trainer.places.model_source import FetchedModel

ADAPTER = "default"
"""Name of the trained adapter inside the model."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """The base model with its adapter, and the tokenizer that goes with it.

    Attributes:
        network: the PEFT model.
        tokenizer: of transformers.
        end_marks: ids of the tokens that end an answer.
        trainable: number of trained parameters.
    """

    network: Any
    tokenizer: Any
    end_marks: frozenset[int]
    trainable: int


def prepare_environment(device: Device, cache: Path) -> None:
    """Set what the libraries read from the environment when they are imported.

    To be called once, before torch, transformers or datasets are imported.
    """
    caches = {
        "HF_HOME": "huggingface",
        "UNSLOTH_COMPILE_LOCATION": "unsloth-compiled",
        "UNSLOTH_MEGA_CACHE_DIR": "unsloth-mega-cache",
        "TORCHINDUCTOR_CACHE_DIR": "torch-inductor",
        "TRITON_CACHE_DIR": "triton",
        "MPLCONFIGDIR": "matplotlib",
    }
    for variable, folder in caches.items():
        if variable not in os.environ:
            path = cache / folder
            # Private, because compiled code is loaded from there.
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.environ[variable] = str(path)
    os.environ |= {
        # Without it loading a model asks the hub to count it and waits two minutes offline.
        "UNSLOTH_DISABLE_STATISTICS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        # Progress is shown by this program; bars of libraries would tear its lines apart.
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TQDM_DISABLE": "1",
        # Forking after a parallel tokenizer ran would warn and may hang.
        "TOKENIZERS_PARALLELISM": "false",
        "TRL_EXPERIMENTAL_SILENCE": "1",
        # Tokenize in this process: the few rows that the library sees are not worth a pool.
        "UNSLOTH_DATASET_NUM_PROC": "0",
    }
    # Threads that spin while they wait take the CPU from those that work, as soon as anything
    # else runs on it (measured with a busy neighbour: a fifth of the time a step).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OMP_NUM_THREADS", str(usable_cpus()))
    # Training on the CPU is a choice, never a fallback.
    if device.kind == "CPU":
        os.environ["UNSLOTH_FORCE_CPU"] = "1"
    else:
        os.environ["UNSLOTH_DISABLE_CPU_FALLBACK"] = "1"


def load_model(source: FetchedModel, spec: PreferenceTrainingJobSpec, layout: Fit) -> LoadedModel:
    """Load the model of the resolved `spec` from its folder and add a fresh adapter.

    Raises:
        BadSpec: lora, maxLength or quantization do not suit this model.
        ModelUnavailable: the folder does not hold a model that can be loaded.
        NoUsableGpu: torch cannot compute on the GPU that the driver showed.
        OutOfGpuMemory: the weights alone do not fit.
    """
    training, lora = spec.training or TrainingSpec(), spec.lora or LoraSpec()
    _check_config(source, spec, training)
    # Everything lies in the folder; a look at the hub could only bring something else.
    os.environ["HF_HUB_OFFLINE"] = "1"
    _import_unsloth(layout)
    with gpu_memory_reported(f"loading {source.uri}"):
        base, tokenizer = _load_base(source, spec, training, layout)
        _check_targets(base, lora)
        network = _add_adapter(base, lora, training, layout)
    return LoadedModel(
        network=network,
        tokenizer=tokenizer,
        end_marks=_end_marks(tokenizer, base, source),
        trainable=require_trainable(network),
    )


def require_trainable(network: Any) -> int:
    """The number of trained parameters, all of the adapter and all in 32 bits.

    In bfloat16 an update smaller than 1/256 of a weight is lost, and at usual learning rates
    most are.

    Raises:
        InternalError: a library trains other parameters, or in another precision.
    """
    import torch

    trained = [(name, value) for name, value in network.named_parameters() if value.requires_grad]
    strangers = [name for name, _ in trained if f".{ADAPTER}." not in name or "lora_" not in name]
    if strangers or not trained:
        raise InternalError(
            f"{len(strangers)} of {len(trained)} trained parameters are not the adapter's, for "
            f"example {strangers[:1]}"
        )
    if rounded := [name for name, value in trained if value.dtype != torch.float32]:
        raise InternalError(
            f"{len(rounded)} parameters of the adapter are not float32, for example {rounded[0]}"
        )
    return sum(value.numel() for _, value in trained)


def _import_unsloth(layout: Fit) -> None:
    import torch

    if layout.device.kind == "GPU" and not torch.cuda.is_available():
        raise NoUsableGpu(
            f"the driver shows {layout.device.name}, but torch {torch.__version__} cannot use "
            "it; check that driver and image are of matching CUDA versions"
        )
    # What they say while they are imported helps no user and looks like trouble.
    logging.getLogger("datasets").setLevel(logging.WARNING)
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    # Before trl, transformers and peft: Unsloth replaces parts of them while it is imported.
    import unsloth  # noqa: F401

    _quieten_libraries()


def _quieten_libraries() -> None:
    # In a function of its own, because sorted imports would put it before Unsloth.
    import transformers

    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]


def _check_config(
    source: FetchedModel, spec: PreferenceTrainingJobSpec, training: TrainingSpec
) -> None:
    """Refuse what the libraries would silently do otherwise."""
    try:
        config = json.loads((source.folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"model.uri {source.uri}: config.json: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise ModelUnavailable(f"model.uri {source.uri}: config.json names no model_type")
    quantized = config.get("quantization_config")
    if quantized and spec.model.quantization == "None":
        raise BadSpec(
            f"model.quantization is None, but the weights of {source.uri} are stored quantized; "
            "set it to NF4, or name the model with full weights"
        )
    if quantized and not quantized.get("load_in_4bit"):
        raise BadSpec(
            f"the weights of {source.uri} are quantized by another method than NF4; name the "
            "model with full weights"
        )
    positions = config.get("text_config", config).get("max_position_embeddings")
    if isinstance(positions, int) and training.max_length > positions:
        # Unsloth would stretch the positions, and the adapter would fit only such a model.
        raise BadSpec(
            f"training.maxLength is {training.max_length}, but {source.uri} was made for "
            f"{positions} tokens at most; lower it"
        )


def _load_base(
    source: FetchedModel, spec: PreferenceTrainingJobSpec, training: TrainingSpec, layout: Fit
) -> tuple[Any, Any]:
    import torch
    from safetensors import SafetensorError
    from unsloth import FastLanguageModel

    dtypes = {"FP32": torch.float32, "BF16": torch.bfloat16, "FP16": torch.float16}
    try:
        base, tokenizer = FastLanguageModel.from_pretrained(
            model_name=str(source.folder),
            max_seq_length=training.max_length,
            dtype=dtypes[layout.precision],
            load_in_4bit=spec.model.quantization == "NF4",
            trust_remote_code=spec.model.trust_remote_code,
            use_gradient_checkpointing="unsloth" if layout.gradient_checkpointing else False,
            local_files_only=True,
        )
    except torch.OutOfMemoryError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelUnavailable(
            f"model.uri {source.uri} cannot be loaded: {reason[0][:400]}"
        ) from error
    if getattr(base.config, "is_encoder_decoder", False) or base.get_output_embeddings() is None:
        raise ModelUnavailable(f"model.uri {source.uri} is not a causal language model")
    if tokenizer.pad_token_id is None:
        raise ModelUnavailable(
            f"the tokenizer of {source.uri} has neither a padding nor an end-of-sequence token"
        )
    return base, tokenizer


def _check_targets(base: Any, lora: LoraSpec) -> None:
    targets = lora.target_modules or TARGET_MODULES
    linear = Counter(
        name.rsplit(".", 1)[-1]
        for name, module in base.named_modules()
        if "Linear" in type(module).__name__ and not name.endswith("lm_head")
    )
    if missing := [target for target in targets if target not in linear]:
        raise BadSpec(
            f"lora.targetModules: {', '.join(missing)} not found in this model; it has "
            f"{', '.join(sorted(linear))}"
        )


def _add_adapter(base: Any, lora: LoraSpec, training: TrainingSpec, layout: Fit) -> Any:
    from unsloth import FastLanguageModel

    targets = list(lora.target_modules or TARGET_MODULES)
    network = FastLanguageModel.get_peft_model(
        base,
        r=lora.rank,
        lora_alpha=int(lora.alpha) if float(lora.alpha).is_integer() else lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets,
        bias="none",
        use_gradient_checkpointing="unsloth" if layout.gradient_checkpointing else False,
        random_state=training.seed,
        max_seq_length=training.max_length,
        use_rslora=False,
    )
    _require_adapted(network, targets)
    return network


def _require_adapted(network: Any, targets: Sequence[str]) -> None:
    adapted = {
        name.split(".lora_A.")[0].rsplit(".", 1)[-1]
        for name, _ in network.named_parameters()
        if f".lora_A.{ADAPTER}." in name
    }
    if adapted != set(targets):
        raise InternalError(
            f"the adapter sits on {sorted(adapted)}, but lora.targetModules is {sorted(targets)}"
        )


def _end_marks(tokenizer: Any, base: Any, source: FetchedModel) -> frozenset[int]:
    generation = getattr(base, "generation_config", None)
    marks = {
        mark
        for value in (tokenizer.eos_token_id, getattr(generation, "eos_token_id", None))
        for mark in _as_ids(value)
    }
    if not marks:
        raise ModelUnavailable(f"the tokenizer of {source.uri} has no end-of-sequence token")
    return frozenset(marks)


def _as_ids(value: int | Iterable[int] | None) -> tuple[int, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, int) else tuple(value)
