"""The decision: an ordered chain of policies, of which the first that speaks is followed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from preftrain_operator.core.plan import Plan
from preftrain_operator.core.policies import (
    accept,
    deadlines,
    finished,
    prepare,
    strays,
    suspend,
    training,
)
from preftrain_operator.core.situation import Situation
from preftrain_operator.core.update import refreshed

Policy = Callable[[Situation], Plan | None]

CHAIN: Final[tuple[Policy, ...]] = (
    finished.leave_deleted,
    finished.absorb,
    accept.judge,
    strays.remove,
    accept.hold,
    accept.start,
    deadlines.enforce,
    suspend.stop,
    prepare.follow,
    training.follow,
)


def decide(situation: Situation) -> Plan:
    """What is to be done now; an empty plan when all is as it should be.

    Deciding again on what a plan has brought about gives an empty plan, and a run that has
    ended stays as it ended.
    """
    plan = next(
        (plan for plan in (policy(situation) for policy in CHAIN) if plan is not None), Plan()
    )
    if plan.look_again and situation.observed.live:
        # Read live just now: whatever is still missing will be told by an event.
        return Plan()
    if plan.ask_about is not None:
        return plan
    if not situation.observed.deleting and not plan.look_again:
        plan = _with_generation(situation, plan)
    due = deadlines.next_due(situation)
    waits = [seconds for seconds in (plan.requeue_after, due) if seconds is not None]
    return replace(plan, requeue_after=min(waits) if waits else None)


def _with_generation(situation: Situation, plan: Plan) -> Plan:
    """Whatever is decided, the status speaks of the spec that was looked at."""
    status = plan.status or situation.status
    if status.observed_generation == situation.observed.generation:
        return plan
    return replace(plan, status=refreshed(situation, status))
