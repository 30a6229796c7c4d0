"""Every argument of the training library, set by us and read back.

Unsloth replaces the library's defaults by its own and drops names that it does not know with
no more than a print; one misspelt `learning_rate` would train at another rate. So no default
is relied on: all fields are listed here, and whatever differs after construction is an error.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any, Final

from preftrain_api.spec import PreferenceTrainingJobSpec, TrainingSpec
from preftrain_trainer.errors import InternalError
from preftrain_trainer.fit.layout import Fit
from preftrain_trainer.methods.table import method_of

_SCHEDULERS: Final = {
    "Cosine": "cosine",
    "Linear": "linear",
    "Constant": "constant_with_warmup",
}
_OPTIMIZERS: Final = {"AdamW": "adamw_torch_fused", "AdamW8bit": "adamw_8bit"}

UNCHANGING: Final[Mapping[str, Any]] = {
    # What is saved, shown and sent is our own business.
    "save_strategy": "no",
    "save_steps": 500,
    "save_total_limit": None,
    "save_only_model": False,
    "save_on_each_node": False,
    "enable_jit_checkpoint": False,
    "resume_from_checkpoint": None,
    "restore_callback_states_from_checkpoint": False,
    "ignore_data_skip": False,
    "load_best_model_at_end": False,
    "metric_for_best_model": None,
    "greater_is_better": None,
    "report_to": "none",
    "run_name": None,
    "project": "huggingface",
    "trackio_space_id": None,
    "trackio_bucket_id": None,
    "trackio_static_space_id": None,
    "push_to_hub": False,
    "hub_token": None,
    "hub_private_repo": None,
    "hub_model_id": None,
    "hub_strategy": "every_save",
    "hub_always_push": False,
    "hub_revision": None,
    "disable_tqdm": True,
    "log_level": "passive",
    "log_level_replica": "warning",
    "log_on_each_node": True,
    "debug": "",
    "skip_memory_metrics": True,
    # Every step is logged as it is; the filter would put the mean in the place of a NaN.
    "logging_strategy": "steps",
    "logging_steps": 1,
    "logging_first_step": False,
    "logging_nan_inf_filter": False,
    "include_num_input_tokens_seen": "no",
    # Evaluation is ours, too.
    "do_train": False,
    "do_eval": False,
    "do_predict": False,
    "eval_strategy": "no",
    "eval_steps": None,
    "eval_delay": 0,
    "eval_on_start": False,
    "eval_accumulation_steps": None,
    "eval_do_concat_batches": True,
    "eval_use_gather_object": False,
    "batch_eval_metrics": False,
    "include_for_metrics": [],
    "prediction_loss_only": True,
    # The examples come in the order that was decided for the whole run.
    "train_sampling_strategy": "sequential",
    "length_column_name": "length",
    "dataloader_drop_last": False,
    "dataloader_num_workers": 0,
    "dataloader_persistent_workers": False,
    "dataloader_prefetch_factor": None,
    "dataloader_multiprocessing_context": None,
    "dataloader_in_order": True,
    "remove_unused_columns": True,
    "label_names": None,
    "dataset_num_proc": None,
    # The optimisation, where the spec has no say.
    "num_train_epochs": 1.0,
    "lr_scheduler_kwargs": None,
    "optim_args": None,
    "optim_target_modules": None,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "label_smoothing_factor": 0.0,
    "neftune_noise_alpha": None,
    "average_tokens_across_devices": True,
    "auto_find_batch_size": False,
    "torch_empty_cache_steps": None,
    "torch_compile": False,
    "torch_compile_backend": None,
    "torch_compile_mode": None,
    "tf32": None,
    "use_liger_kernel": False,
    "liger_kernel_config": None,
    "use_cache": False,
    "full_determinism": False,
    "model_init_kwargs": None,
    "trust_remote_code": False,
    # One process, one device.
    "accelerator_config": None,
    "parallelism_config": None,
    "local_rank": -1,
    "ddp_find_unused_parameters": None,
    "ddp_bucket_cap_mb": None,
    "ddp_broadcast_buffers": None,
    "ddp_static_graph": None,
    "ddp_backend": None,
    "ddp_timeout": 1800,
    "fsdp": None,
    "fsdp_config": None,
    "deepspeed": None,
}

ON_GPU: Final[Mapping[str, Any]] = {
    # Only classes that Unsloth generates on a GPU have these two, and not all of them.
    "context_parallel_size": 1,
    "context_parallel_backend": "ulysses",
}

_REWRITTEN: Final[Mapping[str, Any]] = {
    "report_to": [],
    "debug": [],
}
"""What the library makes of a value of ours that means the same; the rest stays as given."""

_UNREADABLE: Final = frozenset({"accelerator_config"})
"""None becomes an object of the library with its defaults."""


def arguments(spec: PreferenceTrainingJobSpec, layout: Fit, folder: Path) -> dict[str, Any]:
    """All arguments of the trainer's configuration for the resolved `spec`.

    Args:
        spec: what is asked for, with settled weights.
        layout: what it became on this device.
        folder: scratch for the library.
    """
    training = spec.training or TrainingSpec()
    method = method_of(spec.method)
    on_gpu = layout.device.kind == "GPU"
    return {
        **UNCHANGING,
        **(ON_GPU if on_gpu and method.splits_contexts else {}),
        **method.arguments(spec.method, layout.pad_to_multiple_of),
        "output_dir": str(folder),
        "per_device_train_batch_size": layout.micro_batch_size,
        "per_device_eval_batch_size": layout.eval_batch_size,
        "gradient_accumulation_steps": layout.accumulation,
        "max_steps": layout.total_steps,
        "learning_rate": training.learning_rate,
        "lr_scheduler_type": _SCHEDULERS[training.scheduler],
        "warmup_steps": layout.warmup_steps,
        "optim": _OPTIMIZERS[layout.optimizer],
        "weight_decay": training.weight_decay,
        "max_grad_norm": training.max_grad_norm,
        "max_length": training.max_length,
        # TRL switches off every dropout by default, that of the adapter too.
        "disable_dropout": not (spec.lora and spec.lora.dropout),
        "bf16": layout.precision == "BF16",
        "fp16": layout.precision == "FP16",
        # Nothing is evaluated by the library; on a GPU Unsloth sets these two alike anyway.
        "bf16_full_eval": on_gpu and layout.precision == "BF16",
        "fp16_full_eval": on_gpu and layout.precision == "FP16",
        "gradient_checkpointing": layout.gradient_checkpointing,
        # Unsloth's offloading of activations needs the reentrant form and would set it anyway.
        "gradient_checkpointing_kwargs": (
            {"use_reentrant": True} if layout.gradient_checkpointing else None
        ),
        "use_cpu": not on_gpu,
        "dataloader_pin_memory": on_gpu,
        "seed": training.seed,
        "data_seed": training.seed,
    }


def configure(config_class: Any, wanted: Mapping[str, Any]) -> Any:
    """An instance of the library's configuration class that holds exactly `wanted`.

    Raises:
        InternalError: the class has no such argument, or has one that is not set here.
    """
    names = {field.name for field in fields(config_class) if field.init}
    if unknown := sorted(wanted.keys() - names):
        raise InternalError(
            f"{config_class.__name__} has no argument {', '.join(unknown)}; it would be dropped "
            "in silence"
        )
    if missing := sorted(name for name in names - wanted.keys() if not _is_unsloths(name)):
        raise InternalError(
            f"{config_class.__name__} has arguments that are not set: {', '.join(missing)}"
        )
    config = config_class(**wanted)
    require_unchanged(config, wanted)
    return config


def require_unchanged(config: Any, wanted: Mapping[str, Any]) -> None:
    """Compare a configuration with what was asked for.

    Raises:
        InternalError: a library changed an argument; the sentence names all of them.
    """
    if changed := list(_differences(config, wanted)):
        raise InternalError(f"the training library changed {'; '.join(changed)}")


def _differences(config: Any, wanted: Mapping[str, Any]) -> Iterator[str]:
    for name, value in wanted.items():
        if name in _UNREADABLE:
            continue
        expected = _REWRITTEN.get(name, value)
        actual = _plain(getattr(config, name))
        if actual != expected and not _is_reentrant_note(name, expected):
            yield f"{name} from {expected!r} to {actual!r}"


def _is_reentrant_note(name: str, expected: Any) -> bool:
    # Without checkpointing the library fills in keywords that nothing reads.
    return name == "gradient_checkpointing_kwargs" and expected is None


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _is_unsloths(name: str) -> bool:
    """Fields that only Unsloth's generated classes have, for other methods than ours."""
    return name.startswith(("unsloth_", "vllm_")) or name in {"max_seq_length"}
