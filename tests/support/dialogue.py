"""A process of its own that is asked a line of JSON at a time and answers with one.

For what pytest's process must not hold: libraries that take long to load, or that change the
process they are loaded into. What they print goes to stderr, which is a file of the asker's.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

END_SECONDS = 60
"""How long a process may take to end once it is asked nothing more."""


class Dialogue:
    """The asker's end.

    Args:
        module: is run with `python -m`, and calls `answer_questions`.
        arguments: of its command line.
        log: takes what it prints.
    """

    def __init__(self, module: str, *arguments: str, log: Path) -> None:
        self._module = module
        self._log = log.open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={
                **os.environ,
                # The models of tests are so small that a second thread only waits, and a fork
                # inherits no threads.
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
        )

    def ask(self, question: Any) -> Any:
        """Send plain JSON data and return the answer.

        Raises:
            AssertionError: the process died; what it said is in the log.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"{self._module} died; see {self._log.name}"
        return json.loads(answer)

    def close(self) -> None:
        """Ask nothing more, and wait until the process has ended."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=END_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()


def answer_questions(prepare: Callable[[], Callable[[Any], Any]]) -> None:
    """The other end: answer until there are no more questions.

    Args:
        prepare: loads what answers need, and returns the function from question to answer;
            whatever either prints goes to stderr.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    answer = prepare()
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()
