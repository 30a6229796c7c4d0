"""Names of child Jobs, and what they tell. Labels can be edited; a name cannot."""

import re
from typing import Final, Literal

Stage = Literal["Prepare", "Train"]

_PREPARE: Final = "prepare"
_SUFFIX: Final = re.compile(rf"-r(?P<revision>\d+)-(?P<last>{_PREPARE}|\d+)", re.ASCII)


def job_name(name: str, revision: int, stage: Stage, attempt: int) -> str:
    """The only name that this Job can have, so creating it twice is impossible."""
    return f"{name}-r{revision}-{_PREPARE if stage == 'Prepare' else attempt}"


def read_job_name(child: str, name: str) -> tuple[int, Stage, int] | None:
    """Revision, stage and attempt of `name`'s Job `child`; None when no Job has that name."""
    if not child.startswith(name):
        return None
    found = _SUFFIX.fullmatch(child, len(name))
    if found is None:
        return None
    revision, last = int(found["revision"]), found["last"]
    return (revision, "Prepare", 0) if last == _PREPARE else (revision, "Train", int(last))
