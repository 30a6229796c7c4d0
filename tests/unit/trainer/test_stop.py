"""The request to end: at once between stages, noted where work must reach a safe point."""

import os
import signal
from collections.abc import Iterator

import pytest

from preftrain_trainer.errors import Preempted
from preftrain_trainer.stop import StopNow, StopRequest


@pytest.fixture
def stop() -> Iterator[StopRequest]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    request = StopRequest()
    request.listen()
    yield request
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
