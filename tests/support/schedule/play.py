"""One seed is one schedule, for ever."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from preftrain_operator.runtime.store import CACHED
from support.schedule.laws import catch_up, check_history, check_rest, check_silence, quieten
from support.schedule.stepped import FAULTS
from support.schedule.world import World

STEPS = 80

Action = Callable[[World], None]


def _operator_requests(world: World) -> None:
    operator = world.random.choice(world.awake())
    keys = operator.known()
    if keys:
        operator.request(world.random.choice(keys))


def _watch_tells(world: World) -> None:
    kind = world.random.choice(CACHED)
    world.random.choice(world.awake()).deliver(kind, world.random.choice((1, 1, 3, 10)))


def _watch_is_cut(world: World) -> None:
    world.random.choice(world.awake()).lose_events(world.random.choice(CACHED))


def _operator_lists(world: World) -> None:
    world.random.choice(world.awake()).list_on()


def _operator_dies(world: World) -> None:
    world.random.choice(world.operators).kill()


def _request_fails(world: World) -> None:
    world.random.choice(world.operators).fail_next(world.random.choice(FAULTS))


def _operator_falls_asleep(world: World) -> None:
    """It stops where it is, and the other one stays awake; or it wakes."""
    world.asleep = None if world.asleep else world.random.choice(world.operators)


def _operator_stalls_before_creating(world: World) -> None:
    """What it creates when it wakes was decided on long before."""
    operator = world.random.choice(world.operators)
    if world.asleep is None and any(operator.stall_before_creating(k) for k in operator.known()):
        world.asleep = operator


def _watch_falls_silent(world: World) -> None:
    operator = world.random.choice(world.operators)
    operator.silent = None if operator.silent else world.random.choice(CACHED)


def _all_but_sleepers_go_on(world: World) -> None:
    """An operator does all there is to do as far as it sees, and so does the cluster."""
    operator = world.random.choice(world.awake())
    operator.listen()
    for key in operator.known():
        operator.settle(key)
    for _ in range(2):
        world.queue(evict=False)
        world.job_controller()
        world.kubelet()


ACTIONS: tuple[tuple[int, Action], ...] = (
    (40, _operator_requests),
    (16, _watch_tells),
    (1, _watch_is_cut),
    (4, _operator_lists),
    (3, _operator_dies),
    (3, _request_fails),
    (4, _operator_falls_asleep),
    (3, _operator_stalls_before_creating),
    (3, _watch_falls_silent),
    (10, _all_but_sleepers_go_on),
    (14, World.job_controller),
    (6, World.queue),
    (16, World.kubelet),
    (3, World.garbage_collector),
    (4, World.time_passes),
    (6, World.user_suspends),
    (8, World.user_runs_again),
    (1, World.user_deletes),
    (1, World.user_applies),
    (6, World.somebody_deletes_a_job),
    (4, World.somebody_cleans_up),
    (2, World.somebody_takes_labels_away),
    (2, World.a_stranger_comes_or_goes),
    (2, catch_up),
)
"""What may happen next, with its weight. Stalls are what makes schedules dangerous: a write that
was decided on long ago meets a world in which another operator has done everything since.
"""


def play(seed: int) -> World:
    """One schedule, and then a fair world until all is quiet.

    Raises:
        AssertionError: a law that holds at every moment was broken.
    """
    world = World(Random(seed))  # noqa: S311  # a schedule must be repeatable
    weights = [weight for weight, _ in ACTIONS]
    for action in world.random.choices([action for _, action in ACTIONS], weights, k=STEPS):
        action(world)
    quieten(world)
    return world


def judge(seed: int) -> World:
    """Play a schedule and hold it to every law.

    Raises:
        AssertionError: a law was broken; the seed is in its notes.
    """
    try:
        world = play(seed)
        check_history(world)
        check_rest(world)
        check_silence(world)
    except BaseException as error:
        error.add_note(f"schedule {seed}")
        raise
    return world
