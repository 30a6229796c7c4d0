"""Which preference data are trained on, how they are read, filtered and judged."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from preftrain_api.places import SourcePlace
from preftrain_api.spec.audit import AuditSpec
from preftrain_api.wire import CelRule, Name, WireModel

_EVAL_MESSAGE = "set either dataset.evalFraction or dataset.evalSplit, not both"
_FILTER_MESSAGE = (
    "a filter needs exactly the member that its type names: "
    "length for Length, format for Format, keyword for Keyword"
)


class Columns(WireModel):
    """Names of the columns, where they differ from the usual ones."""

    prompt: Name | None = None
    """Column of the prompt. Default: prompt."""
    chosen: Name | None = None
    """Column of the preferred answer. Default: chosen."""
    rejected: Name | None = None
    """Column of the other answer. Default: rejected."""
    completion: Name | None = None
    """Unpaired data: column of the answer. Default: completion."""
    label: Name | None = None
    """Unpaired data: column that says whether the answer is good. Default: label."""


class LengthFilter(WireModel):
    """Keeps rows whose prompt and answers have between min and max characters each."""

    min_characters: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    """Fewest characters of the shorter answer."""
    max_characters: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Most characters of prompt plus longer answer."""


class FormatFilter(WireModel):
    """Keeps rows whose text is well formed."""

    require: Annotated[
        tuple[Literal["NonEmpty", "ValidUnicode", "EndsWithPunctuation"], ...],
        Field(min_length=1, max_length=8),
    ]
    """What prompt and answers must be."""


class KeywordFilter(WireModel):
    """Drops rows in which one of the words occurs, upper and lower case alike."""

    words: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=128)], ...],
        Field(min_length=1, max_length=256),
    ]
    """The words."""
    within: Literal["Any", "Prompt", "Chosen", "Rejected"] = "Any"
    """Where they are looked for. Default: Any."""


class FilterRule(WireModel):
    """One filter; rows are dropped and counted, never changed."""

    cel_rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "has(self.length) == (self.type == 'Length') && "
            "has(self.format) == (self.type == 'Format') && "
            "has(self.keyword) == (self.type == 'Keyword')",
            _FILTER_MESSAGE,
            ".type",
        ),
    )

    type: Literal["Length", "Format", "Keyword"]
    """Which filter; the member of the same name holds its settings."""
    length: LengthFilter | None = None
    """Settings of type Length."""
    format: FormatFilter | None = None
    """Settings of type Format."""
    keyword: KeywordFilter | None = None
    """Settings of type Keyword."""

    @model_validator(mode="after")
    def _has_its_member(self) -> Self:
        members = {"Length": self.length, "Format": self.format, "Keyword": self.keyword}
        if any((member is not None) != (self.type == name) for name, member in members.items()):
            raise ValueError(_FILTER_MESSAGE)
        return self


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
    """Names of the columns, where they differ from prompt, chosen, rejected."""
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
