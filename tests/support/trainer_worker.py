"""A process that trains tiny models for tests: Unsloth is imported once and never by pytest.

Cases are the functions of `support.trainer_scenes`.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.dialogue import Dialogue, answer_questions


class TrainerWorker:
    """The parent's end."""

    def __init__(self, cache: Path, log: Path) -> None:
        self._dialogue = Dialogue("support.trainer_worker", str(cache), log=log)

    def play(self, scene: str, **arguments: Any) -> Any:
        """Run one scene in the process and return what it returned.

        Raises:
            AssertionError: the process died; its output is in the log.
        """
        return self._dialogue.ask({"scene": scene, "arguments": arguments})

    def close(self) -> None:
        """End the process."""
        self._dialogue.close()


def _load() -> Callable[[Any], Any]:
    from preftrain_trainer.fit.device import Device
    from preftrain_trainer.model.loading import prepare_environment

    prepare_environment(Device("CPU", "test", bf16=False), Path(sys.argv[1]))
    from support import trainer_scenes

    return lambda asked: getattr(trainer_scenes, asked["scene"])(**asked["arguments"])


if __name__ == "__main__":
    answer_questions(_load)
