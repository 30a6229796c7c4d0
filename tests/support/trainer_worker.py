"""A process that trains tiny models for tests: Unsloth is imported once and never by pytest.

The parent sends a case a line as JSON and gets an answer a line; what libraries print goes to
stderr. Cases are the functions of `support.trainer_scenes`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

THREADS = "1"
"""The models are so small that a second thread only waits."""


class TrainerWorker:
    """The parent's end."""

    def __init__(self, cache: Path, log: Path) -> None:
        self._log = log.open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.trainer_worker", str(cache)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={
                **os.environ,
                "OMP_NUM_THREADS": THREADS,
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
        )

    def play(self, scene: str, **arguments: Any) -> Any:
        """Run one scene in the process and return what it returned.

        Raises:
            AssertionError: the process died; its output is in the log.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"scene": scene, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the trainer process died; see {self._log.name}"
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=60)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()


def main() -> None:
    """Play scenes until the parent closes the pipe."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from preftrain_trainer.fit.device import Device
    from preftrain_trainer.model.loading import prepare_environment

    prepare_environment(Device("CPU", "test", bf16=False), Path(sys.argv[1]))
    from support import trainer_scenes

    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(trainer_scenes, request["scene"])(**request["arguments"])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
