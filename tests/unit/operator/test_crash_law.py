"""Killed before or after its k-th write, for every k of any life, an operator leaves no trace.

A life is what happens to a job while its operator sits still; after each of these the operator
does all there is to do, or is killed on the way and its successor does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from preftrain_operator.kube.port import Kind
from support.fake_api import Killed
from support.schedule.world import World

Happening = Callable[[World], None]


def _pod_ends(code: int) -> Happening:
    def happen(world: World) -> None:
        world.queue(evict=False)
        world.job_controller()
        world.kubelet()
        world.kubelet(code)
        world.job_controller()

    happen.__name__ = f"pod_ends_with_{code}"
    return happen


def _pod_runs(world: World) -> None:
    world.queue(evict=False)
    world.job_controller()
    world.kubelet()


PODS = [_pod_ends(code) for code in (0, 0, 70, 75, 76, 78)]
HAPPENINGS: list[Happening] = [
    _pod_runs,
    *PODS,
    World.queue,
    World.user_suspends,
    World.user_runs_again,
    World.a_stranger_comes_or_goes,
    World.time_passes,
]
"""Nobody deletes pods or Jobs: what a pod said that is gone is known to whoever saw it and not to
a successor.
"""
WHOLE = (_pod_ends(0), _pod_runs, _pod_ends(70), _pod_runs, _pod_ends(0), World.user_runs_again)


def live(life: Sequence[Happening], chance: int, killed: tuple[int, str] | None = None) -> World:
    """Live it, perhaps with a kill at a certain write."""
    world = World(Random(chance), operators=1)  # noqa: S311  # a life must be repeatable
    if killed is not None:
        number, when = killed

        def kill(write: int) -> None:
            if write == number and world.operators[0].kills == 0:
                raise Killed

        setattr(world.api, when, kill)
    for happening in (World.time_passes, *life):
        happening(world)
        settle(world)
    return world


def settle(world: World) -> None:
    """The operator does all there is to do; one that is killed has a successor."""
    (operator,) = world.operators
    try:
        operator.catch_up()
        for key in operator.known():
            operator.settle(key)
    except Killed:
        operator.kill()
        settle(world)


def outcome(world: World) -> dict[str, Any]:
    """All that is left, without the UIDs that an API server makes up."""
    (job,) = world.api.items(Kind.TRAINING_JOBS)
    return {
        "status": without_uids(job["status"]),
        "jobs": sorted(item["metadata"]["name"] for item in world.api.items(Kind.JOBS)),
        "events": sorted(item["metadata"]["name"] for item in world.api.items(Kind.EVENTS)),
    }


def without_uids(value: Any) -> Any:
    """`value` without UIDs of Jobs."""
    if isinstance(value, dict):
        return {
            key: without_uids(item) for key, item in value.items() if key not in ("uid", "jobUid")
        }
    return [without_uids(item) for item in value] if isinstance(value, list) else value


@example(life=WHOLE, chance=1)
@given(life=st.lists(st.sampled_from(HAPPENINGS), max_size=10), chance=st.integers(0, 99))
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
def test_a_kill_at_any_write_of_any_life_changes_nothing(
    life: Sequence[Happening], chance: int
) -> None:
    """Same status, same Jobs, same Events; and every kill was one."""
    undisturbed = live(life, chance)
    expected = outcome(undisturbed)
    assert undisturbed.api.writes
    for number in range(1, len(undisturbed.api.writes) + 1):
        for when in ("before_write", "after_write"):
            disturbed = live(life, chance, (number, when))
            assert disturbed.operators[0].kills == 1
            assert outcome(disturbed) == expected, f"killed {when} {number}"
