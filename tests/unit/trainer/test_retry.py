"""How long a place is tried again: within a budget of seconds, with growing pauses."""

from collections.abc import Iterator

import pytest

from preftrain_trainer.places.retry import (
    CONNECT_SECONDS,
    PATIENT,
    QUICK,
    Patience,
    Retry,
    Verdict,
    pause_seconds,
)


class Trouble(Exception):
    """What a request raises here."""


class Time:
    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def run(outcomes: list[Verdict | str], outage_seconds: float = 100, asked: float = 0) -> Time:
    """Play an operation that fails as told, then ends; "Done" is a success."""
    time, renewals, left = Time(), [], iter(outcomes)
    verdicts: Iterator[Verdict | str] = left

    def operation() -> str:
        outcome = next(verdicts)
        if outcome == "Done":
            return "done"
        raise Trouble(outcome)

    def judge(error: Exception) -> Verdict:
        verdict: Verdict = error.args[0]
        return verdict

    retry = Retry(Patience(1, 1, outage_seconds), lambda: time.now, time.sleep, lambda: 0.5)
    try:
        assert (
            retry.run(
                operation,
                (Trouble,),
                judge,
                renew=lambda: renewals.append(1),
                asked_pause=lambda _: asked,
            )
            == "done"
        )
    finally:
        time.pauses.extend(-1.0 for _ in renewals)  # a renewal is told apart by its sign
    return time


def test_pauses_grow_and_are_bounded() -> None:
    """Twice as long after each failure, at most half a minute, and down to nothing by chance."""
    assert [pause_seconds(failures, 1.0) for failures in (1, 2, 3, 5, 6, 1000)] == [
        1,
        2,
        4,
        16,
        30,
        30,
    ]
    assert pause_seconds(3, 0.0) == 0


def test_a_passing_failure_is_repeated() -> None:
    """With a pause each time."""
    assert run(["Passing", "Passing", "Done"]).pauses == [0.5, 1.0]


def test_a_final_failure_ends_at_once() -> None:
    """Nothing is waited for that cannot come."""
    with pytest.raises(Trouble):
        run(["Final", "Done"])


def test_a_denial_is_repeated_once_with_fresh_credentials() -> None:
    """Without a pause; a second denial is the answer."""
    assert run(["Denied", "Done"]).pauses == [-1.0]
    assert run(["Passing", "Denied", "Passing", "Done"]).pauses == [0.5, 1.0, -1.0]
    with pytest.raises(Trouble):
        run(["Denied", "Denied", "Done"])


def test_an_outage_is_survived_only_as_long_as_told() -> None:
    """The last error is raised once the next pause would exceed the budget."""
    assert run(["Passing", "Passing", "Passing", "Done"], outage_seconds=3.5).pauses == [0.5, 1, 2]
    with pytest.raises(Trouble):
        run(["Passing", "Passing", "Passing", "Done"], outage_seconds=3.4)


def test_a_longer_pause_that_the_server_asks_for_is_kept_to() -> None:
    """But not beyond the budget."""
    assert run(["Passing", "Done"], asked=7).pauses == [7]
    with pytest.raises(Trouble):
        run(["Passing", "Done"], asked=7, outage_seconds=6)


def test_other_errors_pass_through() -> None:
    """A bug is no outage."""

    def broken() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        Retry(PATIENT).run(broken, (Trouble,), lambda _: "Passing")


def test_a_first_look_ends_within_its_figure() -> None:
    """Refused, silent or blackholed: a look ends in 12 s, which leaves 8 s to the pod's start."""
    slowest = max(QUICK.read_seconds, CONNECT_SECONDS)
    library_pause = 1.0  # botocore's standard mode: below 1 s before the second request
    last_try = QUICK.attempts * slowest + library_pause

    assert QUICK.outage_seconds + last_try <= 12
