"""What a PreferenceTrainingJob may be called, because Jobs and pods are named after it."""

import re
from typing import Final

from preftrain_api.group import MAX_NAME_CHARACTERS

NAME_PATTERN: Final = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
NAME_MESSAGE: Final = (
    f"metadata.name may have at most {MAX_NAME_CHARACTERS} characters, lower-case letters, "
    "digits and '-' inside; shorten or rename it, because Jobs and pods are named after it"
)
MAX_NAMESPACE_CHARACTERS: Final = 63
"""A namespace is a DNS label (RFC 1123)."""
NAMESPACE_MESSAGE: Final = (
    f"metadata.namespace may have at most {MAX_NAMESPACE_CHARACTERS} characters, lower-case "
    "letters, digits and '-' inside"
)


def is_job_name(name: str) -> bool:
    """Whether the API server takes `name`."""
    return len(name) <= MAX_NAME_CHARACTERS and re.fullmatch(NAME_PATTERN, name) is not None


def is_namespace(name: str) -> bool:
    """Whether a namespace can be called `name`; it becomes a folder of the output."""
    return len(name) <= MAX_NAMESPACE_CHARACTERS and re.fullmatch(NAME_PATTERN, name) is not None
