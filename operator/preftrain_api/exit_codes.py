"""Exit codes of the trainer: the wire protocol by which the operator tells failures apart.

The numbers follow sysexits.h where it has a fitting one. The pod failure policy of the
training Job is derived from this table, never written a second time.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a prepare or training process ended."""

    DONE = 0
    BAD_SPEC = 64
    DATA_REFUSED = 65
    MODEL_UNAVAILABLE = 66
    OBJECT_STORE_UNAVAILABLE = 69
    INTERNAL = 70
    NO_USABLE_GPU = 71
    PREEMPTED = 75
    GUARD_STOPPED = 76
    OUT_OF_GPU_MEMORY = 77
    GATES_NOT_PASSED = 78

    @property
    def is_final(self) -> bool:
        """Whether another attempt would end the same way, so that none is made."""
        return self in _FINAL

    @property
    def is_counted(self) -> bool:
        """Whether the attempt counts against maxRetries."""
        return self is not ExitCode.PREEMPTED and self is not ExitCode.DONE


_FINAL = frozenset(
    {
        ExitCode.BAD_SPEC,
        ExitCode.DATA_REFUSED,
        ExitCode.MODEL_UNAVAILABLE,
        ExitCode.NO_USABLE_GPU,
        ExitCode.GUARD_STOPPED,
        ExitCode.OUT_OF_GPU_MEMORY,
        ExitCode.GATES_NOT_PASSED,
    }
)
