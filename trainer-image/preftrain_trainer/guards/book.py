"""What the guards of one run remember, and have said.

The judging is pure; this keeps the states between two steps, and across a resume as JSON.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from preftrain_api.report import Evaluation, Finding
from preftrain_api.spec import GuardRule
from preftrain_api.spec.quality import GuardName
from preftrain_trainer.errors import InternalError
from preftrain_trainer.guards.alarm import Alarm
from preftrain_trainer.guards.rules import Rule, RunFacts, limits_of
from preftrain_trainer.guards.table import State, guards_of
from preftrain_trainer.progress.records import StepRecord

_FINDINGS: Final = TypeAdapter(tuple[Finding, ...])


class GuardBook:
    """The guards of one run.

    A guard speaks once in each degree: when it first warns, and when it first finds the run
    past saving. A figure that goes back and forth over a threshold makes one finding.

    Attributes:
        findings: all that was said, over all attempts, the oldest first.
    """

    def __init__(
        self, asked: Sequence[GuardRule] | None, run: RunFacts, before: Iterable[Finding] = ()
    ) -> None:
        self.findings: tuple[Finding, ...] = tuple(before)
        self._guards = guards_of(run)
        self._rules = {name: Rule(limits_of(name, asked), run) for name in self._guards}
        self._states: dict[GuardName, State] = {
            name: guard.start for name, guard in self._guards.items()
        }
        self._told: dict[GuardName, bool] = {}
        """Guards that have spoken, and whether they called the run past saving."""

    def record(self, record: StepRecord) -> tuple[Finding, ...]:
        """Judge a step; returns what is said for the first time, an Error where the run ends."""
        fresh: list[Finding] = []
        for name, guard in self._guards.items():
            if guard.on_step is not None:
                state, alarm = guard.on_step(self._states[name], record, self._rules[name])
                self._states[name] = state
                fresh += self._heard(name, alarm, record.step)
        return self._kept(fresh)

    def evaluated(self, step: int, evaluation: Evaluation) -> tuple[Finding, ...]:
        """Judge an evaluation after `step`, as `record` does a step."""
        fresh: list[Finding] = []
        for name, guard in self._guards.items():
            if guard.on_evaluation is not None:
                state, alarm = guard.on_evaluation(
                    self._states[name], step, evaluation, self._rules[name]
                )
                self._states[name] = state
                fresh += self._heard(name, alarm, step)
        return self._kept(fresh)

    def state(self) -> dict[str, Any]:
        """All of it as JSON data, for a checkpoint."""
        return {
            "states": {
                name: TypeAdapter(type(state)).dump_python(state, mode="json")
                for name, state in self._states.items()
            },
            "told": dict(self._told),
            "findings": _FINDINGS.dump_python(self.findings, mode="json", exclude_none=True),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from what `state` gave in an earlier attempt at the same run.

        A guard that is not in it, because it is new, begins anew.

        Raises:
            InternalError: it is not what `state` gives.
        """
        try:
            for name, guard in self._guards.items():
                if name in saved["states"]:
                    state = TypeAdapter(type(guard.start)).validate_python(saved["states"][name])
                    self._states[name] = guard.on_resume(state) if guard.on_resume else state
                if name in saved["told"]:
                    self._told[name] = bool(saved["told"][name])
            self.findings = _FINDINGS.validate_python(tuple(saved["findings"]))
        except (KeyError, ValidationError) as error:
            raise InternalError(
                "the checkpoint's guard state is not of this release; train with the release "
                f"that began the run, or raise runRevision ({error})"
            ) from error

    def _heard(self, name: GuardName, alarm: Alarm | None, step: int) -> list[Finding]:
        before = self._told.get(name)
        if alarm is None or (before is not None and before >= alarm.grave):
            return []
        self._told[name] = alarm.grave
        ends = alarm.grave and self._rules[name].limits.action == "Stop"
        return [
            Finding(
                name=name,
                severity="Error" if ends else "Warning",
                message=alarm.message,
                step=step,
            )
        ]

    def _kept(self, fresh: list[Finding]) -> tuple[Finding, ...]:
        self.findings = (*self.findings, *fresh)
        return tuple(fresh)
