"""Random schedules of two operators with stale caches, in a world that does what it likes.

One seed is one schedule, for ever: `PREFTRAIN_SCHEDULES=1 PREFTRAIN_FIRST_SCHEDULE=4711` plays one
again. `make test` plays 2,000, `make test-schedules` 20,000.
"""

import os

import pytest

from support.schedule.play import judge, play

SCHEDULES = int(os.environ.get("PREFTRAIN_SCHEDULES", "2000"))
FIRST = int(os.environ.get("PREFTRAIN_FIRST_SCHEDULE", "0"))
GROUPS = min(20, SCHEDULES)
"""Tests that the schedules are spread over, so that processes can share them."""


@pytest.mark.parametrize("group", range(GROUPS))
def test_laws_hold_under_every_schedule(group: int) -> None:
    """Verdicts absorb, counts never fall, the end comes, nothing is left, nothing is written
    for nothing.
    """
    for seed in range(FIRST + group, FIRST + SCHEDULES, GROUPS):
        judge(seed)


def test_schedules_reach_what_they_are_for() -> None:
    """Conflicts, retries, suspensions, later revisions, deletions and unseen ends are in them."""
    seen = dict.fromkeys(
        ("errors", "retries", "suspended", "revisions", "deleted", "twice", "unseen"), 0
    )
    for seed in range(150):
        world = play(seed)
        seen["errors"] += sum(operator.requests_failed for operator in world.operators)
        seen["deleted"] += len(world.gone)
        for _, status in world.history:
            seen["retries"] += status.get("retries", 0) > 0
            seen["revisions"] += status.get("runRevision", 0) > 1
            seen["suspended"] += any(
                item["type"] == "Suspended" and item["status"] == "True"
                for item in status.get("conditions", ())
            )
            seen["twice"] += len(status.get("attempts", ())) > 1
            seen["unseen"] += any(
                entry.get("reason") == "EndUnseen" and entry.get("counted")
                for entry in status.get("attempts", ())
            )
    assert all(seen.values()), seen
