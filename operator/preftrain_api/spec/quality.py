"""What keeps a bad run from becoming an adapter: guards, evaluation, gates, checkpoints."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from preftrain_api.places import SINK_MESSAGE, SINK_PATTERN, PlaceFields, Uri, check_uri, uri_rules
from preftrain_api.wire import CelRule, Seconds, WireModel, allows_file

GuardName = Literal[
    "NonFinite",
    "StepOneIdentity",
    "ResumeContinuity",
    "NoSignal",
    "TokenAccuracy",
    "Entropy",
    "Displacement",
    "Saturation",
    "TriviallySeparable",
    "Overfit",
    "InvertedLabels",
    "GradientSpikes",
    "LabelImbalance",
    "LikelihoodLoss",
    "Hyperparameters",
    "Stall",
]
GuardAction = Literal["Warn", "Stop"]
EvalMetric = Literal[
    "RewardAccuracy", "RewardAccuracyLowerBound", "RewardMargin", "EvalLoss", "ChosenLogRatio"
]

_EARLY_MESSAGE = (
    "earlyStopping judges the evaluations on the way; set evaluation.everySteps to have some"
)
_SAVE_MESSAGE = "set either checkpoint.everySteps or checkpoint.everySeconds, not both"


class GuardRule(WireModel):
    """Another threshold or action for one guard."""

    name: GuardName
    """Which guard."""
    threshold: Annotated[float, Field(ge=-1e9, le=1e9)] | None = None
    """Where it begins to warn, in the guard's own unit; where it ends a run moves in
    proportion. Default: that of docs/reference/guards.md."""
    action: GuardAction | None = None
    """Warn records a finding, Stop ends the run once it is past saving. Default: that of
    docs/reference/guards.md."""


class EarlyStopping(WireModel):
    """Ends a run whose evaluation no longer improves."""

    metric: EvalMetric = "EvalLoss"
    """What is watched, and which adapter is the best. Default: EvalLoss."""
    patience: Annotated[int, Field(ge=1, le=1000)] = 3
    """Evaluations without improvement before the run ends. Default: 3."""
    min_delta: Annotated[float, Field(ge=0, le=1e6)] = 0
    """Smaller changes do not count. Default: 0."""


class Gate(WireModel):
    """A condition on the held-out pairs that an adapter must meet to be published."""

    metric: EvalMetric
    """What is measured."""
    operator: Literal["GreaterThan", "AtLeast", "LessThan", "AtMost"]
    """How it is compared."""
    threshold: Annotated[float, Field(ge=-1e9, le=1e9)]
    """With what."""


class EvaluationSpec(WireModel):
    """Evaluation on the held-out pairs."""

    cel_rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.earlyStopping) || has(self.everySteps)", _EARLY_MESSAGE, ".earlyStopping"
        ),
    )

    every_steps: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Steps between evaluations; the best evaluated adapter becomes the result. Default: once,
    at the end, so the last adapter does."""
    early_stopping: EarlyStopping | None = None
    """Ends a run whose evaluation no longer improves. Default: off."""
    gates: Annotated[tuple[Gate, ...], Field(max_length=16)] | None = None
    """All must hold. Default, with at least 100 held-out pairs: the lower end of the 95 %
    Wilson interval of reward accuracy is above 0.5."""
    samples: Annotated[int, Field(ge=0, le=16)] = 4
    """Held-out prompts that the base model and the adapter answer for the report, which then holds
    text of the data set; 0 for none. Default: 4."""

    @model_validator(mode="after")
    def _has_what_early_stopping_needs(self) -> Self:
        if self.early_stopping is not None and self.every_steps is None:
            raise ValueError(_EARLY_MESSAGE)
        return self


class CheckpointSpec(PlaceFields):
    """When and where the state of training is saved."""

    cel_rules: ClassVar[tuple[CelRule, ...]] = (
        *uri_rules(SINK_PATTERN, SINK_MESSAGE),
        CelRule(
            "!(has(self.everySteps) && has(self.everySeconds))", _SAVE_MESSAGE, ".everySeconds"
        ),
    )

    uri: Uri | None = None
    """Where checkpoints go: s3://bucket/path or pvc://claim/path. Default: the output's place."""
    every_steps: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Steps between checkpoints. Default: a tenth of the run, or ten minutes if that is less."""
    every_seconds: Seconds | None = None
    """Seconds between checkpoints, in place of everySteps."""
    keep: Annotated[int, Field(ge=1, le=100)] = 2
    """How many are kept; each holds the best evaluated adapter too. Default: 2."""

    @field_validator("uri")
    @classmethod
    def _uri_is_known(cls, uri: str | None, info: ValidationInfo) -> str | None:
        if uri is None:
            return None
        return check_uri(uri, SINK_PATTERN, SINK_MESSAGE, allow_file=allows_file(info))

    @model_validator(mode="after")
    def _one_rhythm(self) -> Self:
        if self.every_steps is not None and self.every_seconds is not None:
            raise ValueError(_SAVE_MESSAGE)
        return self
