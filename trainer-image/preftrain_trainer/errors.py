"""The ways in which a run can end badly, one class an exit code.

    TrainerError
    ├── BadSpec                  64  the manifest asks for something that cannot be
    │   └── ArtifactConflict     64  the place of this revision holds another run
    ├── DataRefused              65  the data cannot be trained on
    ├── ModelUnavailable         66  the model cannot be loaded
    ├── ObjectStoreUnavailable   69  a place cannot be reached, read or written
    ├── InternalError            70  a promise of this program does not hold
    ├── NoUsableGpu              71  a GPU was asked for and there is none
    ├── Preempted                75  asked to end, or overtaken by a newer attempt
    ├── GuardStopped             76  a guard ended the run
    ├── OutOfGpuMemory           77  the GPU's memory does not suffice
    └── GatesNotPassed           78  trained, but not good enough to be published

The message of each is one sentence for the user: it names the field or the file, and the way
out. Only `__main__` turns them into exit codes.
"""

from typing import ClassVar

from preftrain_api.exit_codes import ExitCode


class TrainerError(Exception):
    """A run that cannot go on; `str()` of it is what the user reads."""

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL


class BadSpec(TrainerError):
    """The manifest asks for something that is wrong or not available."""

    exit_code = ExitCode.BAD_SPEC


class ArtifactConflict(BadSpec):
    """The place of this revision already holds the adapter of another run."""


class DataRefused(TrainerError):
    """The data are missing, unreadable, or too bad to train on."""

    exit_code = ExitCode.DATA_REFUSED


class ModelUnavailable(TrainerError):
    """The model or its tokenizer is missing, forbidden or of an unknown form."""

    exit_code = ExitCode.MODEL_UNAVAILABLE


class ObjectStoreUnavailable(TrainerError):
    """A place cannot be reached or does not permit what has to be done there."""

    exit_code = ExitCode.OBJECT_STORE_UNAVAILABLE


class InternalError(TrainerError):
    """Something that this program promises does not hold; going on would hide it."""

    exit_code = ExitCode.INTERNAL


class NoUsableGpu(TrainerError):
    """compute.accelerator is GPU and the process cannot compute on one."""

    exit_code = ExitCode.NO_USABLE_GPU


class Preempted(TrainerError):
    """The process was asked to end, or another pod has taken over; the run can go on later."""

    exit_code = ExitCode.PREEMPTED


class GuardStopped(TrainerError):
    """A guard ended the run before it could do more harm."""

    exit_code = ExitCode.GUARD_STOPPED


class OutOfGpuMemory(TrainerError):
    """The model, the batch and the length do not fit the GPU together."""

    exit_code = ExitCode.OUT_OF_GPU_MEMORY


class GatesNotPassed(TrainerError):
    """The adapter was trained, judged, and kept under `withheld/`."""

    exit_code = ExitCode.GATES_NOT_PASSED
