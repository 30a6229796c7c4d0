"""From a new or raised revision to a frozen spec and the first Job.

The status write that sets startTime freezes the spec, carries the resourceVersion that was
judged, and comes before the first Job: an edit in between ends in a conflict.
"""

import json
from typing import Any

from preftrain_api.capabilities import unsupported_fields
from preftrain_api.group import MAX_RUN_SPEC_BYTES
from preftrain_api.reasons import ConditionType as Type
from preftrain_api.reasons import Reason
from preftrain_api.resolve import resolve
from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_api.status import (
    MAX_HISTORY,
    PreferenceTrainingJobStatus,
    ResolvedStatus,
    RevisionStatus,
)
from preftrain_operator.core.conditions import (
    Note,
    clip,
    find,
    has_reason,
    is_true,
    newer_schema,
    refused,
    suspended,
    under_way,
)
from preftrain_operator.core.plan import EventNote, Plan
from preftrain_operator.core.render import run_spec, run_spec_json
from preftrain_operator.core.reserve import reserve_prepare, reserve_training, waiting_reason
from preftrain_operator.core.situation import Situation
from preftrain_operator.core.update import updated, write_if_changed

_MAX_SETTINGS = 64
_MAX_SETTING_CHARACTERS = 256
_SHOWN_MEMBERS = ("dataset", "method", "lora", "training")


def judge(situation: Situation) -> Plan | None:
    """Refuses what cannot be run; nothing is started and the user may still edit the spec."""
    reading = situation.observed.reading
    if reading.problem is Reason.NEWER_SCHEMA:
        return _leave_alone(situation, reading.message)
    if situation.is_started:
        # The API server has frozen what was judged; only an upgrade can make it unreadable.
        return None if reading.spec else _leave_alone(situation, reading.message)
    refusal = (reading.problem, reading.message) if reading.problem else _refusal(situation)
    if refusal is None:
        return None
    reason, message = refusal
    status = updated(situation, _fresh_status(situation), refused(reason, message), state="Refused")
    plan = write_if_changed(situation, status)
    if plan.status is None or has_reason(situation.status.conditions, Type.ACCEPTED, reason):
        return plan
    key = f"Refused/{situation.observed.generation}"
    return Plan(status=status, events=(EventNote(key, reason.value, message, warning=True),))


def hold(situation: Situation) -> Plan | None:
    """A job created suspended waits without being frozen."""
    if situation.is_started or not situation.spec.suspend:
        return None
    status = updated(situation, _fresh_status(situation), suspended())
    return write_if_changed(situation, status)


def start(situation: Situation) -> Plan | None:
    """Freezes the spec and creates the first Job: prepare, or training where it is skipped."""
    if situation.is_started:
        return None
    spec = situation.spec
    settings = filled_in(spec)
    status = _fresh_status(situation).model_copy(
        update={
            "start_time": situation.now,
            "run_revision": situation.revision,
            "resolved": ResolvedStatus(settings=settings) if settings else None,
        }
    )
    if spec.dataset.audit is not None and spec.dataset.audit.policy == "Skip":
        status, manifest = reserve_training(situation, status)
        skipped = {Type.DATA_READY: Note("True", Reason.PREPARE_SKIPPED)}
        notes = {**under_way(waiting_reason(situation)), **skipped}
        message = "started without checking the data first, as dataset.audit.policy is Skip"
    else:
        status, manifest = reserve_prepare(situation, status)
        preparing = {Type.DATA_READY: Note("Unknown", Reason.PREPARING)}
        notes = {**under_way(Reason.PREPARING), **preparing}
        message = "started; model, data and output are being checked"
    return Plan(
        status=updated(situation, status, notes),
        create=manifest,
        events=(EventNote("Started", Reason.STARTED.value, message),),
    )


def filled_in(spec: PreferenceTrainingJobSpec) -> dict[str, str]:
    """Settings that the user left open, by path, as they will be used."""
    given, used = (
        _leaves(spec.model_dump(exclude_unset=True, by_alias=True)),
        _leaves(resolve(spec).plain()),
    )
    open_paths = [path for path in used if path not in given and path.startswith(_SHOWN_MEMBERS)]
    return {path: _shown(used[path]) for path in sorted(open_paths)[:_MAX_SETTINGS]}


def _shown(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return clip(value if isinstance(value, str) else json.dumps(value), _MAX_SETTING_CHARACTERS)


def _refusal(situation: Situation) -> tuple[Reason, str] | None:
    spec, installation = situation.spec, situation.installation
    unsupported = unsupported_fields(spec)
    if unsupported:
        return Reason.UNSUPPORTED, "; ".join(unsupported)
    image = spec.compute.image if spec.compute else None
    if image is not None and not installation.allows(image):
        return Reason.IMAGE_NOT_ALLOWED, (
            f"compute.image {image} is not on the operator's allow-list; remove it, or ask the "
            "platform team to allow it"
        )
    size = len(run_spec_json(run_spec(situation, "Train", 1)).encode())
    if size > MAX_RUN_SPEC_BYTES:
        plain = resolve(spec).plain()
        largest = max(plain, key=lambda member: len(str(plain[member])))
        return Reason.SPEC_TOO_LARGE, (
            f"the resolved spec has {size} bytes, {MAX_RUN_SPEC_BYTES} are possible; "
            f"shorten spec.{largest}"
        )
    return None


def _leave_alone(situation: Situation, message: str) -> Plan:
    """A run that a newer operator began is not touched; one that has not begun is not begun."""
    if situation.is_finished:
        return Plan()
    if situation.is_started:
        unknown = {Type.ACCEPTED: Note("Unknown", Reason.NEWER_SCHEMA, message)}
        shown = situation.status.display
        state = shown.state if shown else None
        status = updated(situation, situation.status, unknown, state=state)
        return write_if_changed(situation, status)
    status = updated(situation, _fresh_status(situation), newer_schema(message))
    return write_if_changed(situation, status)


def _fresh_status(situation: Situation) -> PreferenceTrainingJobStatus:
    """An empty status but for what outlives a revision: conditions' times and history."""
    before = situation.status
    if before.start_time is None:
        return before
    ended = RevisionStatus(
        run_revision=before.run_revision or 1,
        succeeded=is_true(before.conditions, Type.SUCCEEDED),
        reason=_ending_reason(before),
        start_time=before.start_time,
        completion_time=before.completion_time,
        artifact=before.artifact,
    )
    return PreferenceTrainingJobStatus(
        observed_generation=before.observed_generation,
        conditions=tuple(item for item in before.conditions if item.type != Type.DATA_READY),
        history=(*before.history, ended)[-MAX_HISTORY:],
    )


def _ending_reason(status: PreferenceTrainingJobStatus) -> str:
    ready = find(status.conditions, Type.READY)
    return ready.reason if ready else Reason.COMPLETED.value


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        return {path: value}
    found: dict[str, Any] = {}
    for key, item in value.items():
        found |= _leaves(item, f"{path}.{key}" if path else str(key))
    return found
