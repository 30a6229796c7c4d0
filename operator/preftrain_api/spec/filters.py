"""Rules that leave rows of the preference data out; rows are counted, never changed."""

from typing import Annotated, ClassVar, Final, Literal, Self, get_args

from pydantic import Field, StringConstraints, model_validator

from preftrain_api.wire import CelRule, ListOf, Ratio, WireModel

FilterType = Literal[
    "Length", "Format", "Keyword", "RegularExpression", "Script", "Language", "Duplicates"
]
_MEMBER_MESSAGE: Final = (
    "a filter needs exactly the member that its type names: length for Length, format for "
    "Format, keyword for Keyword, regularExpression for RegularExpression, script for Script, "
    "language for Language, duplicates for Duplicates"
)
_LENGTH_MESSAGE: Final = (
    "length.minCharacters is above length.maxCharacters, so no row would be left; swap or lower it"
)

Within = Literal["Any", "Prompt", "Answers", "Chosen", "Rejected"]
"""Parts of a row. In unpaired data a good answer is chosen, another one rejected."""

Requirement = Literal["NonEmpty", "ValidUnicode", "EndsWithPunctuation"]

Script = Literal[
    "Arabic",
    "Armenian",
    "Bengali",
    "Cyrillic",
    "Devanagari",
    "Ethiopic",
    "Georgian",
    "Greek",
    "Gujarati",
    "Gurmukhi",
    "Han",
    "Hangul",
    "Hebrew",
    "Hiragana",
    "Kannada",
    "Katakana",
    "Khmer",
    "Lao",
    "Latin",
    "Malayalam",
    "Mongolian",
    "Myanmar",
    "Oriya",
    "Sinhala",
    "Tamil",
    "Telugu",
    "Thai",
    "Tibetan",
]
"""Names of the Unicode standard (Scripts.txt)."""


class LengthFilter(WireModel):
    """Keeps rows whose prompt and answers have between min and max characters each."""

    cel_rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.minCharacters) || !has(self.maxCharacters) || "
            "self.minCharacters <= self.maxCharacters",
            _LENGTH_MESSAGE,
            ".minCharacters",
        ),
    )

    min_characters: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    """Fewest characters of each part."""
    max_characters: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Most characters of each part."""
    max_ratio: Annotated[float, Field(ge=1, le=1000)] | None = None
    """How many times as long as the shorter answer the longer one of a pair may be."""
    within: Within = "Any"
    """The parts that are measured by minCharacters and maxCharacters. Default: Any."""

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        low, high = self.min_characters, self.max_characters
        if low is not None and high is not None and low > high:
            raise ValueError(_LENGTH_MESSAGE)
        return self


class FormatFilter(WireModel):
    """Keeps rows whose text is well formed."""

    require: Annotated[tuple[Requirement, ...], Field(min_length=1, max_length=8)]
    """NonEmpty: every turn has text. ValidUnicode: no control characters, and no replacement
    characters, which wrongly decoded text has. EndsWithPunctuation: answers end a sentence, so
    they were not cut off."""


class KeywordFilter(WireModel):
    """Drops rows in which one of the words occurs, upper and lower case alike."""

    words: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=128)], ...],
        Field(min_length=1, max_length=256),
    ]
    """Words or phrases; a part of a longer word is no occurrence."""
    within: Within = "Any"
    """Where they are looked for. Default: Any."""


class RegularExpressionFilter(WireModel):
    """Drops or keeps rows in which an expression matches."""

    pattern: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    """The expression in RE2 syntax, which has no backreferences and no lookaround; (?i) in
    front ignores case."""
    rows: Literal["Drop", "Keep"] = "Drop"
    """Drop leaves out the rows that match, Keep those that do not. Default: Drop."""
    within: Within = "Any"
    """Where it is looked for. Default: Any."""


class ScriptFilter(WireModel):
    """Keeps rows that are written in certain scripts."""

    allowed: Annotated[tuple[Script, ...], Field(min_length=1, max_length=28), ListOf()]
    """The scripts, as Unicode calls them: Latin, Cyrillic, Han."""
    min_share: Ratio = 0.9
    """Least share of a part's letters that belong to them. Default: 0.9."""
    within: Within = "Any"
    """The parts that are looked at. Default: Any."""


class LanguageFilter(WireModel):
    """Keeps rows that seem to be in certain languages."""

    allowed: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$", max_length=3)], ...],
        Field(min_length=1, max_length=32),
        ListOf(),
    ]
    """ISO 639 codes: en, de, zh. Quote "no" in YAML, where it is a word for false."""
    within: Within = "Any"
    """The parts that are looked at; texts too short to tell are kept. Default: Any."""


class DuplicatesFilter(WireModel):
    """Keeps the first rows of each prompt, where prompts differ only in case, punctuation or
    white space.
    """

    keep: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Rows of a prompt that are kept. Default: 1."""


def _exactly_its_member() -> str:
    clauses = (
        f"has(self.{name[0].lower()}{name[1:]}) == (self.type == '{name}')"
        for name in get_args(FilterType)
    )
    return " && ".join(clauses)


class FilterRule(WireModel):
    """One filter; rows are dropped and counted, never changed."""

    cel_rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(_exactly_its_member(), _MEMBER_MESSAGE, ".type"),
    )

    type: FilterType
    """Which filter; the member of the same name holds its settings."""
    length: LengthFilter | None = None
    """Settings of type Length."""
    format: FormatFilter | None = None
    """Settings of type Format."""
    keyword: KeywordFilter | None = None
    """Settings of type Keyword."""
    regular_expression: RegularExpressionFilter | None = None
    """Settings of type RegularExpression."""
    script: ScriptFilter | None = None
    """Settings of type Script."""
    language: LanguageFilter | None = None
    """Settings of type Language."""
    duplicates: DuplicatesFilter | None = None
    """Settings of type Duplicates."""

    @model_validator(mode="after")
    def _has_its_member(self) -> Self:
        if [name for name, member in self._members() if member is not None] != [self.type]:
            raise ValueError(_MEMBER_MESSAGE)
        return self

    @property
    def settings(self) -> WireModel:
        """The member that the type names."""
        return next(member for _, member in self._members() if member is not None)

    def _members(self) -> tuple[tuple[FilterType, WireModel | None], ...]:
        return (
            ("Length", self.length),
            ("Format", self.format),
            ("Keyword", self.keyword),
            ("RegularExpression", self.regular_expression),
            ("Script", self.script),
            ("Language", self.language),
            ("Duplicates", self.duplicates),
        )
