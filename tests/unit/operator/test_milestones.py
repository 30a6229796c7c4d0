"""What is counted when a status is written: waiting, ends, GPU time and what of it was lost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from preftrain_api.status import AttemptStatus, Condition, PreferenceTrainingJobStatus
from preftrain_operator.core.milestones import lost_gpu_seconds, milestones
from support.situations import look, make_job

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


def attempt(
    number: int, seconds: float, began: int | None, ended: int | None, reason: str = "Preempted"
) -> AttemptStatus:
    return AttemptStatus(
        number=number,
        job=f"a-{number}",
        start_time=START,
        end_time=START + timedelta(seconds=seconds),
        start_step=began,
        end_step=ended,
        reason=reason,
    )


def status_of(
    *attempts: AttemptStatus, succeeded: bool = True, gpu_seconds: float = 1000.0, **members: Any
) -> PreferenceTrainingJobStatus:
    kinds = ("Ready", "Succeeded") if succeeded else ("Ready", "Failed")
    status = PreferenceTrainingJobStatus(
        run_revision=1,
        conditions=tuple(
            Condition(
                type=kind,
                status="True",
                observed_generation=1,
                last_transition_time=START,
                reason="Completed",
            )
            for kind in kinds
        ),
    )
    changes = {"attempts": attempts, "gpu_seconds": gpu_seconds, **members}
    return status.model_copy(update=changes)


@pytest.mark.parametrize(
    ("attempts", "lost"),
    [
        ((attempt(1, 500, 0, 100),), 0),
        ((attempt(1, 100, 0, 50), attempt(2, 100, 50, 100)), 0),
        ((attempt(1, 100, 0, 50), attempt(2, 150, 25, 100)), 50),
        ((attempt(1, 100, 0, 50), attempt(2, 200, None, 100)), 100),
        ((attempt(1, 100, None, None), attempt(2, 200, 0, 100)), 100),
        ((attempt(1, 9000, 0, 50), attempt(2, 200, 0, 100)), 1000),
    ],
    ids=["one", "all saved", "half saved", "nothing saved", "told nothing", "at most all"],
)
def test_what_a_successful_run_has_lost(attempts: tuple[AttemptStatus, ...], lost: float) -> None:
    """Steps behind the checkpoint with which the next attempt began were done twice."""
    assert lost_gpu_seconds(status_of(*attempts)) == pytest.approx(lost)


def test_a_failed_run_has_lost_everything() -> None:
    """There is no result that contains its work."""
    assert lost_gpu_seconds(status_of(attempt(1, 10, 0, 5), succeeded=False)) == 1000


def test_an_attempt_that_never_ran_lost_nothing() -> None:
    """A Job that was deleted before its pod started."""
    never = AttemptStatus(number=1, job="a-1")
    assert lost_gpu_seconds(status_of(never, attempt(2, 10, 0, 5))) == 0


def test_the_start_is_counted_once() -> None:
    """From the creation of the resource, when the first pod is entered."""
    observed = look(make_job())
    after = status_of(attempt(1, 10, 0, 5))
    passed = milestones(observed, after)
    assert passed.wait_seconds == max(0, (START - observed.created).total_seconds())
    again = milestones(look(make_job(status=after.plain())), after)
    assert again.wait_seconds is None


def test_the_end_is_counted_once() -> None:
    """With its reason and its GPU time."""
    ended = status_of(attempt(1, 10, 0, 5), succeeded=False, completion_time=START)
    passed = milestones(look(make_job()), ended)
    assert (passed.ended, passed.gpu_seconds, passed.lost_gpu_seconds) == ("Completed", 1000, 1000)
    assert milestones(look(make_job(status=ended.plain())), ended).ended is None


def test_a_run_that_goes_on_has_not_ended() -> None:
    """Nothing of it is counted yet."""
    passed = milestones(look(make_job()), status_of())
    assert (passed.ended, passed.gpu_seconds) == (None, 0)


def test_each_attempt_is_counted_once() -> None:
    """When its end enters the status; one that was there before, or goes on, is not counted."""
    first, second = attempt(1, 10, 0, 5), attempt(1, 10, 5, 9, "OOMKilled")
    going_on = AttemptStatus(number=2, job="a-2", start_time=START)
    before = look(make_job(status=status_of(first).plain()))
    assert milestones(before, status_of(first, second, going_on)).attempts == ("OOMKilled",)
    assert milestones(before, status_of(first, going_on)).attempts == ()


def test_ends_that_nobody_saw_are_counted_one_by_one() -> None:
    """All that is known of them is the Job controller's count, so their entries are equal."""
    unseen = AttemptStatus(number=1, job="a-1", end_time=START, reason="EndUnseen")
    before = look(make_job(status=status_of(unseen).plain()))
    assert milestones(before, status_of(unseen, unseen, unseen)).attempts == ("EndUnseen",) * 2


def test_attempts_that_fell_out_are_not_counted_again() -> None:
    """The status keeps the latest ones only."""
    entries = tuple(attempt(number, 10, 0, number) for number in range(1, 18))
    before = look(make_job(status=status_of(*entries[:16]).plain()))
    assert milestones(before, status_of(*entries[1:])).attempts == ("Preempted",)


def test_attempts_of_a_run_that_ends_are_counted_too() -> None:
    """Also where one write tells the first attempt and the end, and where a revision begins."""
    ended = status_of(attempt(1, 10, 0, 5, "Completed"), completion_time=START)
    assert milestones(look(make_job()), ended).attempts == ("Completed",)
    again = ended.model_copy(update={"run_revision": 2})
    assert milestones(look(make_job(status=ended.plain())), again).attempts == ("Completed",)
