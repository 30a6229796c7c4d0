"""What `__main__` asks of every command."""

import argparse

from preftrain_trainer.stop import StopRequest


class Command:
    """One call of the program.

    Attributes:
        arguments: of the command line.
        stop: the request to end, which signals set.
        started: when the process did (monotonic seconds).
    """

    def __init__(self, arguments: argparse.Namespace, stop: StopRequest, started: float) -> None:
        self.arguments = arguments
        self.stop = stop
        self.started = started

    def run(self) -> int:
        """Do the work; returns the exit code.

        Raises:
            TrainerError: it cannot be done.
        """
        raise NotImplementedError

    def failed(self, sentence: str, error: BaseException) -> None:
        """Leave for others that `run` raised; on a workstation the sentence is enough."""
