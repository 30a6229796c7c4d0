"""Which model is aligned, and in which precision its frozen weights are held."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from preftrain_api.places import SourcePlace
from preftrain_api.wire import CelRule, ListOf, Name, WireModel

_REMOTE_CODE_MESSAGE = (
    "trustRemoteCode needs model.revision to be a full 40-character commit hash, "
    "so that the code you trust is the code that runs"
)


class ModelSpec(SourcePlace):
    """The model to align: a folder or hub repository with safetensors weights."""

    cel_rules: ClassVar[tuple[CelRule, ...]] = (
        *SourcePlace.cel_rules,
        CelRule(
            "!has(self.trustRemoteCode) || !self.trustRemoteCode || "
            "(has(self.revision) && self.revision.matches('^[0-9a-f]{40}$'))",
            _REMOTE_CODE_MESSAGE,
            ".trustRemoteCode",
        ),
    )

    revision: Name | None = None
    """Hub branch, tag or commit. Default: main. It is resolved to a commit before training."""
    quantization: Literal["NF4", "None"] = "NF4"
    """NF4 holds the frozen weights in 4 bits (QLoRA); None keeps them as they are.
    Default: NF4."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model. Needs a 40-hex revision. Default: false."""

    @model_validator(mode="after")
    def _remote_code_is_pinned(self) -> Self:
        pinned = self.revision is not None and _is_commit(self.revision)
        if self.trust_remote_code and not pinned:
            raise ValueError(_REMOTE_CODE_MESSAGE)
        return self


def _is_commit(revision: str) -> bool:
    return len(revision) == 40 and set(revision) <= set("0123456789abcdef")


class LoraSpec(WireModel):
    """Shape of the adapter that is trained."""

    rank: Annotated[int, Field(ge=1, le=1024)] = 16
    """Rank of the update matrices. Default: 16."""
    alpha: Annotated[float, Field(gt=0, le=4096)] = 16
    """Scale of the update; it is applied as alpha / rank. Default: 16."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0
    """Dropout on the adapter's input. Default: 0."""
    target_modules: (
        Annotated[
            tuple[Annotated[str, StringConstraints(min_length=1, max_length=128)], ...],
            Field(min_length=1, max_length=64),
            ListOf(),
        ]
        | None
    ) = None
    """Names of the linear modules that get an adapter. Default: the seven projections
    q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj."""
