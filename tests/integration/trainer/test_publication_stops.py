"""A pod that is ended in the middle of an upload, politely or not, leaves nothing visible."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from preftrain_trainer.stop import StopNow, StopRequest
from support.fault_proxy import Fault, Rule, Step
from support.publication import attempt, results, visible
from support.s3_worlds import S3World
from support.trainer_cases import clean_environment

pytestmark = pytest.mark.integration


@pytest.fixture
def stop() -> Iterator[StopRequest]:
    """Listens for SIGTERM as a pod does."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    timer = signal.getitimer(signal.ITIMER_REAL)
    request = StopRequest()
    request.listen()
    yield request
    signal.setitimer(signal.ITIMER_REAL, *timer)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_in_the_middle_of_an_upload_aborts_its_parts(
    s3_world: S3World, tmp_path: Path, stop: StopRequest
) -> None:
    """It ends at once; the parts are gone, nothing is visible, and the next attempt completes."""
    prefix = s3_world.prefix()
    signals = iter([signal.SIGTERM])

    def end(step: Step, method: str, path: str) -> None:
        if step == "After" and "partNumber=1" in path:
            for number in signals:
                os.kill(os.getpid(), number)

    s3_world.proxy.watch = end
    pod = results(tmp_path / "1", s3_world.model())

    with pytest.raises(StopNow):
        attempt(s3_world.disturbed(prefix), "pod-1", s3_world.run, pod, stop=stop)

    after = s3_world.undisturbed(prefix)
    assert visible(after) is None
    assert s3_world.unfinished(prefix) == []
    artifact = attempt(after, "pod-2", s3_world.run, results(tmp_path / "2"))
    assert visible(after) == artifact.digest


def test_a_store_that_falls_silent_keeps_no_pod_beyond_its_time(
    s3_world: S3World, tmp_path: Path, stop: StopRequest
) -> None:
    """A request during publishing waits for its end, but not until the pod is killed."""
    prefix = s3_world.prefix()
    stop.grace_seconds = 0.2
    stop.let_finish()
    s3_world.proxy.plan(Rule(Fault("Silence"), method="PUT", path="partNumber=1"))

    def end(step: Step, method: str, path: str) -> None:
        if step == "Before" and "partNumber=1" in path:
            os.kill(os.getpid(), signal.SIGTERM)

    s3_world.proxy.watch = end
    pod = results(tmp_path / "1", s3_world.model())

    with pytest.raises(StopNow):
        attempt(s3_world.disturbed(prefix, 60.0), "pod-1", s3_world.run, pod, stop=stop)

    assert visible(s3_world.undisturbed(prefix)) is None
    assert s3_world.unfinished(prefix) == []


def test_a_signal_after_the_decision_changes_nothing(
    s3_world: S3World, tmp_path: Path, stop: StopRequest
) -> None:
    """Between decision and manifest the end is only noted, and the publication completed."""
    prefix = s3_world.prefix()

    def end(step: Step, method: str, path: str) -> None:
        if (step, method) == ("Before", "PUT") and path.endswith("manifest.json"):
            os.kill(os.getpid(), signal.SIGTERM)

    s3_world.proxy.watch = end

    artifact = attempt(
        s3_world.disturbed(prefix), "pod-1", s3_world.run, results(tmp_path / "1"), stop=stop
    )

    assert stop.requested
    assert visible(s3_world.undisturbed(prefix)) == artifact.digest


@pytest.mark.parametrize("part", [1, 2])
def test_a_killed_upload_is_cleared_away_and_done_again(
    s3_world: S3World, tmp_path: Path, part: int
) -> None:
    """SIGKILL leaves parts that nobody sees; the next attempt aborts them and completes."""
    prefix = s3_world.prefix()
    results(tmp_path, s3_world.model())
    pods: list[subprocess.Popen[bytes]] = []

    def kill(step: Step, method: str, path: str) -> None:
        if step == "Before" and f"partNumber={part}" in path:
            pods[0].kill()

    s3_world.proxy.watch = kill
    arguments = (
        s3_world.proxy.endpoint,
        s3_world.secrets,
        prefix,
        s3_world.part_bytes,
        tmp_path,
    )
    pods.append(
        subprocess.Popen(
            [sys.executable, "-m", "support.publishing_process", *map(str, arguments)],
            env=clean_environment(),
        )
    )
    assert pods[0].wait(60) == -signal.SIGKILL
    after = s3_world.undisturbed(prefix)
    assert visible(after) is None
    assert s3_world.unfinished(prefix) == [f"{prefix}/adapter/adapter_model.safetensors"]

    artifact = attempt(after, "pod-2", s3_world.run, results(tmp_path / "2"))

    assert visible(after) == artifact.digest
    assert s3_world.unfinished(prefix) == []
