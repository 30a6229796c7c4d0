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


@pytest.fixture
def idle_world(crd_installed: ApiServer, namespace: str, tmp_path: Path) -> Iterator[World]:
    """The world before the operator is started."""
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


@pytest.fixture
def world(idle_world: World) -> World:
    """The world with a running operator."""
    idle_world.operator.start()
    return idle_world
