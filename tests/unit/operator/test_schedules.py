"""Random schedules of two operators with stale caches, in a world that does what it likes.

One seed is one schedule, for ever: `PREFTRAIN_SCHEDULES=1 PREFTRAIN_FIRST_SCHEDULE=4711` plays one
again. `make test` plays 2,000, `make test-faults` 20,000.
"""

import os
from collections.abc import Callable
from random import Random

import pytest

from support.schedule.laws import catch_up, check_history, check_rest, check_silence, quieten
from support.schedule.world import World

SCHEDULES = int(os.environ.get("PREFTRAIN_SCHEDULES", "2000"))
FIRST = int(os.environ.get("PREFTRAIN_FIRST_SCHEDULE", "0"))
GROUPS = min(20, SCHEDULES)
"""Tests that the schedules are spread over, so that processes can share them."""
STEPS = 80

Action = Callable[[World], None]


def _operator_requests(world: World) -> None:
    operator = world.random.choice(world.operators)
    keys = operator.known()
    if keys:
        operator.request(world.random.choice(keys))


def _watch_tells(world: World) -> None:
    world.random.choice(world.operators).deliver(world.random.choice((1, 1, 3, 10)))


def _watch_is_cut(world: World) -> None:
    world.random.choice(world.operators).lose_events()


def _operator_lists(world: World) -> None:
    world.random.choice(world.operators).resync()


def _operator_dies(world: World) -> None:
    world.random.choice(world.operators).kill()


ACTIONS: tuple[tuple[int, Action], ...] = (
    (40, _operator_requests),
    (16, _watch_tells),
    (1, _watch_is_cut),
    (2, _operator_lists),
    (3, _operator_dies),
    (14, World.job_controller),
    (16, World.kubelet),
    (3, World.garbage_collector),
    (4, World.time_passes),
    (2, World.user_suspends),
    (8, World.user_runs_again),
    (1, World.user_deletes),
    (1, World.user_applies),
    (4, World.somebody_deletes_a_job),
    (2, World.somebody_takes_labels_away),
    (2, catch_up),
)
"""What may happen next, with its weight."""


def play(seed: int) -> World:
    """One schedule, and then a fair world until all is quiet."""
    world = World(Random(seed))  # noqa: S311  # a schedule must be repeatable
    weights = [weight for weight, _ in ACTIONS]
    actions = world.random.choices([action for _, action in ACTIONS], weights, k=STEPS)
    for action in actions:
        action(world)
    quieten(world)
    return world


@pytest.mark.parametrize("group", range(GROUPS))
def test_laws_hold_under_every_schedule(group: int) -> None:
    """Verdicts absorb, counts never fall, the end comes, nothing is left, nothing is written
    for nothing.
    """
    for seed in range(FIRST + group, FIRST + SCHEDULES, GROUPS):
        try:
            world = play(seed)
            check_history(world)
            check_rest(world)
            check_silence(world)
        except BaseException as error:
            error.add_note(f"schedule {seed}")
            raise


def test_schedules_reach_what_they_are_for() -> None:
    """Conflicts, retries, suspensions, later revisions and deletions happen in them."""
    seen = {"errors": 0, "retries": 0, "suspended": 0, "revisions": 0, "deleted": 0, "twice": 0}
    for seed in range(60):
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
    assert all(seen.values()), seen
