"""An output that cannot be written ends a pod within seconds, with 69 and one sentence."""

import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import pytest

from preftrain_api.exit_codes import ExitCode
from support.trainer_cases import (
    clean_environment,
    preftrain,
)
from support.trainer_pod import SECONDS, Pod, unused_port
from support.waiting import eventually

pytestmark = pytest.mark.integration


def output(pod: Pod, **changes: Any) -> dict[str, Any]:
    return {**pod.place.output, **changes}


@pytest.mark.fault(15)
def test_a_missing_bucket_ends_with_69(pod: Pod) -> None:
    """The message names the bucket and output.uri."""
    code, result, _ = pod.prepare(output=output(pod, uri="s3://no-such-bucket/x"))

    assert (code, result.verdict) == (ExitCode.OBJECT_STORE_UNAVAILABLE, "Refused")
    assert "has no bucket no-such-bucket" in result.message
    assert "output.uri" in result.message


@pytest.mark.fault(15)
def test_wrong_keys_end_with_69(pod: Pod) -> None:
    """The message names output.secretRef and the Secret, and holds no key."""
    wrong = replace(pod.place, secret={**pod.place.secret, "AWS_SECRET_ACCESS_KEY": "wr0ng"})
    wrong.keys_in(pod.root / "secrets" / "output")

    code, result, log = pod.prepare()

    assert code == ExitCode.OBJECT_STORE_UNAVAILABLE
    assert "output.secretRef (s3-keys)" in result.message
    assert "SignatureDoesNotMatch" in result.message
    assert "wr0ng" not in log + result.message


def test_a_secret_without_its_keys_ends_with_69(pod: Pod) -> None:
    """The message names the key that is missing."""
    (pod.root / "secrets" / "output" / "AWS_SECRET_ACCESS_KEY").unlink()

    code, result, _ = pod.prepare()

    assert code == ExitCode.OBJECT_STORE_UNAVAILABLE
    assert "output.secretRef (s3-keys) has no key AWS_SECRET_ACCESS_KEY" in result.message


def test_no_credentials_at_all_end_with_69(pod: Pod) -> None:
    """Without Secret and identity the message says what to set."""
    for key in (pod.root / "secrets" / "output").iterdir():
        key.unlink()
    (pod.root / "secrets" / "output").rmdir()
    place = {key: value for key, value in pod.place.output.items() if key != "secretRef"}

    code, result, _ = pod.prepare(output=place)

    assert code == ExitCode.OBJECT_STORE_UNAVAILABLE
    assert "set output.secretRef" in result.message


@pytest.mark.fault(14)
def test_an_endpoint_that_is_not_there_ends_with_69(pod: Pod) -> None:
    """The message names the address and output.s3.endpoint, within seconds."""
    address = f"127.0.0.1:{unused_port()}"

    code, result, _ = pod.prepare(output=output(pod, s3={"endpoint": f"http://{address}"}))

    assert code == ExitCode.OBJECT_STORE_UNAVAILABLE
    assert f"{address} does not answer; check output.s3.endpoint" in result.message


@pytest.mark.parametrize("storage", ["no bucket", "wrong key", "nobody listens", "silent"])
def test_storage_that_fails_is_told_before_torch_is_imported(pod: Pod, storage: str) -> None:
    """Within the seconds that a job has for it, in the pod that would train too."""
    pretended = pod.root / "pretended" / "torch"
    pretended.mkdir(parents=True)
    (pretended / "__init__.py").write_text("raise SystemExit('torch was imported')")
    pod.env = {
        "PREFTRAIN_PORT": "0",
        "PYTHONPATH": os.pathsep.join([str(pretended.parent), *sys.path]),
    }
    if storage == "no bucket":
        pod.tell(output=output(pod, uri="s3://no-such-bucket/x"))
    elif storage == "wrong key":
        (pod.root / "secrets" / "output" / "AWS_SECRET_ACCESS_KEY").write_text("wr0ng")
        pod.tell()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if storage == "silent" else unused_port()
        if storage in ("nobody listens", "silent"):
            pod.tell(output=output(pod, s3={"endpoint": f"http://127.0.0.1:{port}"}))
        ended = preftrain("train", env=pod.environment(), timeout_seconds=SECONDS)

    assert ended.returncode == ExitCode.OBJECT_STORE_UNAVAILABLE, ended.stderr
    assert "output.uri s3://" in ended.stderr


def test_a_volume_that_cannot_be_written_ends_with_69(pod: Pod) -> None:
    """The message names the path and output.uri."""
    (pod.root / "volumes" / "output").write_text("a file where the mount should be")

    code, result, _ = pod.prepare(output={"uri": "pvc://results/x"})

    assert code == ExitCode.OBJECT_STORE_UNAVAILABLE
    assert "output.uri pvc://results/x" in result.message


@pytest.mark.fault(42)
def test_being_asked_to_end_while_preparing_ends_with_75(pod: Pod) -> None:
    """SIGTERM in the middle of a request that hangs ends the pod at once, with a result."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reached = threading.Event()

        def accept() -> None:
            connection, _ = silent.accept()
            with connection:
                reached.set()
                while connection.recv(1 << 20):
                    pass

        listener = threading.Thread(target=accept)
        listener.start()
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        pod.tell(output=output(pod, s3={"endpoint": endpoint}))
        process = subprocess.Popen(
            [sys.executable, "-m", "preftrain_trainer", "prepare"],
            env={**clean_environment(), **pod.environment()},
            stderr=subprocess.DEVNULL,
        )
        try:
            eventually(reached.is_set, "the request")
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == ExitCode.PREEMPTED
        finally:
            process.kill()
            process.wait()
            listener.join()
    assert "asked to end" in pod.result().message
