"""The errors of the contract.

ContractError
├── YamlError     a manifest is no YAML, or no object
└── SpecError               an object was read, but its content is not usable
    ├── NewerSchemaError    it has fields or choices that this release does not know
    └── InvalidSpecError    a value is missing, mistyped, out of bounds or contradictory
"""


class ContractError(Exception):
    """Something from outside does not meet the contract; the text is for the user."""


class YamlError(ContractError):
    """A manifest cannot be read.

    Attributes:
        line: where, counted from 1; None when it concerns the whole file.
    """

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem if line is None else f"line {line}: {problem}")
        self.line = line


class SpecError(ContractError):
    """An object's content is not usable.

    Attributes:
        problems: one sentence each, beginning with the path of the field.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class NewerSchemaError(SpecError):
    """The object has fields or choices that this release does not know: misspelt, or from a
    newer release.

    Attributes:
        fields: paths of the fields concerned.
    """

    def __init__(self, problems: tuple[str, ...], fields: tuple[str, ...]) -> None:
        super().__init__(problems)
        self.fields = fields


class InvalidSpecError(SpecError):
    """A value is missing, mistyped, out of bounds or contradicts another."""
