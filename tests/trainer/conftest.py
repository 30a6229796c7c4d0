"""One process with Unsloth for all trainer tests of a session."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.trainer_worker import TrainerWorker

Train = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainerWorker]:
    """A process that has the libraries loaded; importing them takes half a minute."""
    root = tmp_path_factory.mktemp("trainer-worker")
    worker = TrainerWorker(root / "cache", root / "log")
    yield worker
    worker.close()


@pytest.fixture
def train(worker: TrainerWorker, tmp_path: Path) -> Train:
    """Plays the scene `training` in a folder of the test's own."""

    def play(folder: str = "run", **arguments: Any) -> dict[str, Any]:
        members = arguments.pop("members", {})
        answer: dict[str, Any] = worker.play(
            "training", folder=str(tmp_path / folder), members=members, **arguments
        )
        return answer

    return play
