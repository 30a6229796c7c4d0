"""The operator's program, killed by SIGKILL at a chosen write: `DIE=before:3` or `after:3`.

A test cannot hit the moment between two writes from outside.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from preftrain_operator.__main__ import main
from preftrain_operator.kube.client import KubeClient

WRITES = ("create", "patch", "patch_status", "delete")


def arm(when: str, number: int) -> None:
    """Replace the client's writing methods by ones that count."""
    count = 0

    def counted(method: Any) -> Any:
        async def write(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            mine = count
            if when == "before" and mine == number:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = await method(*arguments, **options)
            if when == "after" and mine == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return write

    for name in WRITES:
        setattr(KubeClient, name, counted(getattr(KubeClient, name)))


if __name__ == "__main__":
    moment, position = os.environ["DIE"].split(":")
    arm(moment, int(position))
    sys.exit(main())
