"""A namespace with an operator of its own, jobs, and somebody who plays the kubelet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.control_plane import ApiServer
from support.kubelet import Kubelet
from support.operator_process import OperatorProcess
from support.training_jobs import TrainingJobs


@dataclass(frozen=True, slots=True)
class World:
    """Everything that a test of the operator touches."""

    server: ApiServer
    namespace: str
    operator: OperatorProcess
    jobs: TrainingJobs
    kubelet: Kubelet


@pytest.fixture(scope="module")
def operator_for_all(
    crd_installed: ApiServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """One operator for all namespaces and all tests of a file: it takes seconds to start."""
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    operator = OperatorProcess(crd_installed.kubeconfig, "", log)
    operator.start()
    yield operator
    operator.kill()
    assert "Traceback" not in operator.log(), operator.log()


@pytest.fixture
def world(crd_installed: ApiServer, namespace: str, operator_for_all: OperatorProcess) -> World:
    """A namespace of the test's own under the operator of all."""
    api = crd_installed.api()
    return World(
        crd_installed,
        namespace,
        operator_for_all,
        TrainingJobs(api, namespace),
        Kubelet(api, namespace),
    )


@pytest.fixture
def idle_world(crd_installed: ApiServer, namespace: str, tmp_path: Path) -> Iterator[World]:
    """A world whose operator is the test's own, to start and to kill."""
    api = crd_installed.api()
    operator = OperatorProcess(crd_installed.kubeconfig, namespace, tmp_path / "operator.log")
    yield World(
        crd_installed,
        namespace,
        operator,
        TrainingJobs(api, namespace),
        Kubelet(api, namespace),
    )
    operator.kill()
    log = operator.log()
    assert "Traceback" not in log, log
