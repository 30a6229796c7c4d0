"""Fixture of moto's S3 server, in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from cluster import processes
from cluster.ports import free_port
from cluster.processes import Service

READY_SECONDS = 60.0
PROGRAM = Path(__file__).with_name("moto_program.py")


@pytest.fixture(scope="session")
def moto_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Another implementation of S3, on loopback; takes parts of any size."""
    port = free_port()

    def answers() -> bool:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/moto-api/data.json")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    service = Service(
        "moto",
        tmp_path_factory.mktemp("moto"),
        [sys.executable, str(PROGRAM), str(port)],
        env={"S3_UPLOAD_PART_MIN_SIZE": "1"},
        dies_with_starter=True,
    )
    processes.start(service)
    processes.wait_ready(service, answers, READY_SECONDS)
    yield f"http://127.0.0.1:{port}"
    processes.stop(service, grace_seconds=5)
