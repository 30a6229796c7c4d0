"""The optimisation: how long, how fast, in which portions."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from preftrain_api.wire import CelRule, WireModel

_BATCH_MESSAGE = "batchSize must be a multiple of microBatchSize"
_LENGTH_MESSAGE = "set either training.epochs or training.maxSteps, not both"


class TrainingSpec(WireModel):
    """Settings of the optimiser and of the batches; every one has a default."""

    cel_rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("!(has(self.epochs) && has(self.maxSteps))", _LENGTH_MESSAGE, ".maxSteps"),
        CelRule(
            "!has(self.microBatchSize) || "
            "(has(self.batchSize) ? self.batchSize : 8) % self.microBatchSize == 0",
            _BATCH_MESSAGE,
            ".microBatchSize",
        ),
    )

    epochs: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Passes over the data. Default: 1."""
    max_steps: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Optimizer steps, in place of epochs."""
    learning_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    """Peak learning rate. Default: 5e-6 for DPO and KTO, 8e-6 for ORPO."""
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 8
    """Examples per optimizer step: pairs, or for KTO labelled answers. Default: 8."""
    micro_batch_size: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Examples that go through the model at once. Default: chosen by the trainer and shown
    in status.resolved."""
    max_length: Annotated[int, Field(ge=16, le=1_048_576)] = 2048
    """Tokens of prompt and answer together; longer ones are cut. Default: 2048."""
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the steps over which the learning rate rises. Default: 0.1."""
    scheduler: Literal["Cosine", "Linear", "Constant"] = "Cosine"
    """Shape of the learning rate after warm-up. Default: Cosine."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0
    """Pull of the adapter's weights towards zero. Default: 0."""
    max_grad_norm: Annotated[float, Field(gt=0, le=1000)] = 1
    """Gradients are clipped to this norm. Default: 1."""
    optimizer: Literal["Auto", "AdamW", "AdamW8bit"] = "Auto"
    """AdamW8bit keeps its moments in 8 bits. Default: Auto, that is AdamW8bit on a GPU and
    AdamW on a CPU."""
    precision: Literal["Auto", "BF16", "FP16", "FP32"] = "Auto"
    """Precision of the computation. Default: Auto, that is BF16 where the GPU has it, else
    FP16, and FP32 on a CPU."""
    precompute_reference: bool = False
    """Compute the reference log-probabilities once, before training. Default: false."""
    seed: Annotated[int, Field(ge=0, le=4_294_967_295)] = 42
    """Seed of everything random: data order, adapter, dropout. Default: 42."""

    @model_validator(mode="after")
    def _batches_add_up(self) -> Self:
        if self.epochs is not None and self.max_steps is not None:
            raise ValueError(_LENGTH_MESSAGE)
        if self.micro_batch_size is not None and self.batch_size % self.micro_batch_size:
            raise ValueError(_BATCH_MESSAGE)
        return self
