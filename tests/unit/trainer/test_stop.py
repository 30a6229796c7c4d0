"""The request to end: at once between stages, noted where work must reach a safe point."""

import os
import signal
import threading
from collections.abc import Iterator
from math import inf

import pytest

from preftrain_trainer.errors import Preempted
from preftrain_trainer.stop import StopNow, StopRequest


@pytest.fixture
def stop() -> Iterator[StopRequest]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    timer = signal.getitimer(signal.ITIMER_REAL)
    request = StopRequest()
    request.listen()
    yield request
    signal.setitimer(signal.ITIMER_REAL, *timer)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_ends_a_stage_at_once(stop: StopRequest) -> None:
    """SIGTERM ends whatever the main thread does, and the next check too."""
    with pytest.raises(StopNow):
        os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Preempted):
        stop.check()


def test_a_deferred_signal_is_noted(stop: StopRequest) -> None:
    """Inside `deferred` the code decides itself when to end."""
    with stop.deferred():
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested
    with pytest.raises(StopNow):
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_settled_run_is_not_disturbed(stop: StopRequest) -> None:
    """Once the manifest is written a signal changes nothing any more."""
    stop.settle()

    os.kill(os.getpid(), signal.SIGTERM)

    assert stop.requested


def test_what_is_nearly_done_is_finished_in_time() -> None:
    """A request waits for it; once the time is nearly up it ends after all."""
    now = 100.0
    stop = StopRequest(now=lambda: now)
    stop.grace_seconds = 120
    assert stop.seconds_left() == inf
    stop.let_finish()
    stop.request()
    assert stop.seconds_left() == 105

    now = 200.0
    stop.check()
    now = 206.0
    with pytest.raises(Preempted):
        stop.check()


def test_what_hangs_is_given_up_when_the_time_is_nearly_up(stop: StopRequest) -> None:
    """Whatever was deferred: a pod that is killed counts as a failure, one that ends does not."""
    stop.grace_seconds = 0.1
    stop.let_finish()
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(StopNow), stop.deferred():
        threading.Event().wait(30)


def test_what_is_settled_has_all_the_time_there_is(stop: StopRequest) -> None:
    """A published run ends well even if it is asked to end just then."""
    stop.grace_seconds = 0.01
    stop.let_finish()
    os.kill(os.getpid(), signal.SIGTERM)
    stop.settle()
    os.kill(os.getpid(), signal.SIGALRM)


def test_a_second_request_does_not_buy_time() -> None:
    """The pod is killed so long after the first."""
    now = 100.0
    stop = StopRequest(now=lambda: now)
    stop.grace_seconds = 20
    stop.request()
    now = 104.0
    stop.request()
    assert stop.seconds_left() == 6
