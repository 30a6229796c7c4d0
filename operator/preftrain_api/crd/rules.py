"""Rules over the whole object: its name, and what may change once a run has started.

The spec is frozen while `status.startTime` is set. An update that raises `runRevision` may
change every field with it, but only once `status.completionTime` is set.
"""

from typing import Final

from preftrain_api.group import MAX_NAME_CHARACTERS
from preftrain_api.names import NAME_MESSAGE, NAME_PATTERN
from preftrain_api.spec import FROZEN_FIELDS, PreferenceTrainingJobSpec
from preftrain_api.wire import CelRule

_STARTED: Final = "has(oldSelf.status) && has(oldSelf.status.startTime)"
_ENDED: Final = "has(oldSelf.status) && has(oldSelf.status.completionTime)"


def _revision(of: str) -> str:
    return f"(has({of}.spec.runRevision) ? {of}.spec.runRevision : 1)"


_RAISED: Final = f"{_revision('self')} > {_revision('oldSelf')}"

NAME_RULE: Final = CelRule(
    f"size(self.metadata.name) <= {MAX_NAME_CHARACTERS} && "
    f"self.metadata.name.matches('{NAME_PATTERN}')",
    NAME_MESSAGE,
    ".metadata.name",
)
RERUN_RULE: Final = CelRule(
    f"!({_RAISED}) || !({_STARTED}) || ({_ENDED})",
    "spec.runRevision can be raised only once the run has ended (status.completionTime is "
    "set); wait for its end, or delete the job and create it anew",
    ".spec.runRevision",
)


def _frozen_rule(field: str) -> CelRule:
    new, old = f"self.spec.{field}", f"oldSelf.spec.{field}"
    same = f"{new} == {old}"
    if not _is_required(field):
        same = f"(has({new}) ? has({old}) && {same} : !has({old}))"
    return CelRule(
        # Every status write is asked as well, and nearly always nothing has changed: that comes
        # first, because a step into an object costs the API server a copy of its schema.
        f"{same} || !({_STARTED}) || ({_ENDED}) && {_RAISED}",
        f"spec.{field} is frozen since the run has started; once the run has ended, change it "
        "together with a larger spec.runRevision",
        f".spec.{field}",
    )


def _is_required(field: str) -> bool:
    return any(
        info.alias == field and info.is_required()
        for info in PreferenceTrainingJobSpec.model_fields.values()
    )


ROOT_RULES: Final = (
    NAME_RULE,
    RERUN_RULE,
    # managedBy never changes at all; the spec has a rule of its own for it.
    *(_frozen_rule(field) for field in FROZEN_FIELDS if field != "managedBy"),
)
"""Rules over the whole object; all but the first compare it with its predecessor."""
