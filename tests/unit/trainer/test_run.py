"""How a run ends, whatever comes in between."""

import signal
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from preftrain_api.exit_codes import ExitCode
from preftrain_api.report import Artifact
from preftrain_trainer import __main__, run
from preftrain_trainer.checkpoint.attempt import Attempt
from preftrain_trainer.conclusion import _ending
from preftrain_trainer.errors import GuardStopped, Preempted
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.stop import StopNow, StopRequest
from support.checkpoints import KEY
from support.report_cases import evidence


@pytest.fixture
def handlers() -> Iterator[None]:
    """Those of this process are put back."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Course(SimpleNamespace):
    """As much of one as ending it takes."""

    def __init__(self) -> None:
        super().__init__(
            board=None,
            stop=StopRequest(),
            workspace=SimpleNamespace(checkpoints=Path(), work=Path()),
            checkpoints=None,
            attempt=None,
            resumed=None,
            prepared=SimpleNamespace(data=None),
            run=SimpleNamespace(spec=None),
            layout=None,
        )


def raising(error: BaseException) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("meanwhile", [OSError(28, "No space left on device"), StopNow()])
def test_a_run_ends_for_the_reason_that_ended_it(
    monkeypatch: pytest.MonkeyPatch, meanwhile: BaseException
) -> None:
    """Neither a full disk nor a signal while its report is written make it one that is retried."""
    monkeypatch.setattr(run, "keep", lambda *_: nullcontext())
    monkeypatch.setattr(run, "train_adapter", raising(GuardStopped("Entropy: noise")))
    monkeypatch.setattr(run, "report_end", raising(meanwhile))
    course: Any = Course()

    with pytest.raises(GuardStopped, match="Entropy: noise"):
        run._optimise(course, model=course, judge=course)


def test_a_run_that_goes_on_later_leaves_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has not ended."""
    monkeypatch.setattr(run, "keep", lambda *_: nullcontext())
    monkeypatch.setattr(run, "train_adapter", raising(Preempted("asked to end")))
    monkeypatch.setattr(run, "report_end", raising(AssertionError("a report")))
    course: Any = Course()

    with pytest.raises(Preempted):
        run._optimise(course, model=course, judge=course)


def test_a_long_place_does_not_spoil_what_is_done() -> None:
    """The adapter is there by then; a result that fails would have it trained again."""
    uri = f"s3://adapters/{'a' * 1500}"
    artifact = Artifact(uri=uri, digest=f"sha256:{'0' * 64}", manifest=f"{uri}/manifest.json")
    course: Any = Course()
    course.board = ProgressBoard("pod-1")
    course.attempt = Attempt(KEY, 1, "pod-1", 0.0, False, {}, {})
    course.run = evidence().run
    missed = "RewardAccuracyLowerBound is 0.4, not GreaterThan 0.5"

    ending = _ending(course, evidence(withheld=True), artifact, missed)

    assert ending.code == ExitCode.GATES_NOT_PASSED
    assert ending.result.message.startswith(missed)
    assert ending.result.artifact == artifact


@pytest.mark.usefixtures("handlers")
def test_a_signal_after_the_end_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter takes a while to end, and the exit code is said already."""
    command = SimpleNamespace(run=lambda: 0)
    arguments = SimpleNamespace(command=lambda *_: command)
    parser = SimpleNamespace(parse_args=lambda _: arguments)
    monkeypatch.setattr(__main__, "_parser", lambda: parser)

    assert __main__.main([]) == 0
    signal.raise_signal(signal.SIGTERM)


def test_a_bug_in_the_report_does_not_change_how_a_run_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A guard's stop with another exit code would be retried."""

    def stopped(*_: Any, **__: Any) -> None:
        raise GuardStopped("the loss of step 3 is nan")

    def bug(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(run, "keep", stopped)
    monkeypatch.setattr(run, "report_end", bug)

    with pytest.raises(GuardStopped, match="step 3"):
        run._optimise(MagicMock(), MagicMock(), MagicMock())
    assert "no report could be made" in caplog.text
