"""Which preference data are trained on, how they are read, filtered and judged."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from preftrain_api.places import SourcePlace
from preftrain_api.spec.audit import AuditSpec
from preftrain_api.spec.filters import FilterRule
from preftrain_api.wire import CelRule, Name, WireModel

_EVAL_MESSAGE = "set either dataset.evalFraction or dataset.evalSplit, not both"


class Columns(WireModel):
    """Names of the columns, where they differ from those that are found by themselves."""

    prompt: Name | None = None
    """Column of the prompt, or of the conversation so far. Default: prompt, question,
    instruction and the like."""
    system: Name | None = None
    """Column of the system prompt. Default: system or system_prompt, where there is one."""
    chosen: Name | None = None
    """Column of the preferred answer. Default: chosen."""
    rejected: Name | None = None
    """Column of the other answer. Default: rejected."""
    first: Name | None = None
    """Compared answers: column of the first one. Default: response_0, response_a and the like."""
    second: Name | None = None
    """Compared answers: column of the second one."""
    better: Name | None = None
    """Compared answers: column that says which one is better. Default: better_response_id,
    winner, preference and the like."""
    answers: Name | None = None
    """Ranked answers: column of their list, whose entries are texts or objects with a score."""
    scores: Name | None = None
    """Column of the scores, higher is better: a list beside answers, a number beside
    completion."""
    ranks: Name | None = None
    """Ranked answers: column of the list of their ranks, 1 is best."""
    completion: Name | None = None
    """Unpaired data: column of the answer. Default: completion, response and the like."""
    label: Name | None = None
    """Unpaired data: column that says whether the answer is good. Default: label."""


class DatasetSpec(SourcePlace):
    """The preference data: a file, a folder of files, or a hub dataset."""

    cel_rules: ClassVar[tuple[CelRule, ...]] = (
        *SourcePlace.cel_rules,
        CelRule("!(has(self.evalFraction) && has(self.evalSplit))", _EVAL_MESSAGE, ".evalSplit"),
    )

    revision: Name | None = None
    """Hub branch, tag or commit. Default: main. It is resolved to a commit before training."""
    split: Name | None = None
    """Hub split, or the stem of a file in a folder. Default: train."""
    format: Literal["Auto", "Paired", "Unpaired"] = "Auto"
    """Paired rows hold a chosen and a rejected answer, unpaired rows one answer and a label.
    Default: Auto, found out from the columns."""
    columns: Columns | None = None
    """Names of the columns, where they differ from those that are found by themselves."""
    filters: Annotated[tuple[FilterRule, ...], Field(max_length=32)] | None = None
    """Rows to leave out, applied in order."""
    eval_fraction: Annotated[float, Field(ge=0, le=0.5)] | None = None
    """Share of the rows held out for evaluation. Default: 0.05."""
    eval_split: Name | None = None
    """A split of its own for evaluation, in place of evalFraction."""
    audit: AuditSpec | None = None
    """What is checked before a GPU is asked for."""

    @model_validator(mode="after")
    def _one_source_of_evaluation(self) -> Self:
        if self.eval_fraction is not None and self.eval_split is not None:
            raise ValueError(_EVAL_MESSAGE)
        return self
