"""What a GPU's exhausted memory becomes: a sentence of advice and an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from preftrain_trainer.errors import OutOfGpuMemory

OUT_OF_MEMORY_ADVICE: Final = (
    "lower training.microBatchSize (then training.maxLength), or ask for a larger GPU"
)


@contextmanager
def gpu_memory_reported(doing: str) -> Iterator[None]:
    """Turn torch's out-of-memory error inside the block into one sentence of advice.

    Raises:
        OutOfGpuMemory: the GPU's memory was exhausted.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        detail = str(error).split(". ")[0]
        raise OutOfGpuMemory(f"{doing}: {detail}; {OUT_OF_MEMORY_ADVICE}") from error
