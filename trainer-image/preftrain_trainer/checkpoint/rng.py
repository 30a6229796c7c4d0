"""The random numbers of a process: Python's, numpy's, torch's and the GPU's.

Dropout draws from them in every micro-batch. A save inside gradient accumulation therefore
goes back to the numbers at the end of the last whole step, where a resumed run begins.
"""

import random
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RandomNumbers:
    """The state of all generators at one moment."""

    python: tuple[Any, ...]
    numpy: Any
    torch: Any
    gpu: Any
    """None where there is no GPU."""


def snapshot() -> RandomNumbers:
    """The generators as they are now."""
    import numpy
    import torch

    return RandomNumbers(
        python=random.getstate(),
        numpy=numpy.random.get_state(),
        torch=torch.random.get_rng_state(),
        gpu=torch.cuda.random.get_rng_state() if torch.cuda.is_available() else None,
    )


def restore(numbers: RandomNumbers) -> None:
    """Set all generators back."""
    import numpy
    import torch

    random.setstate(numbers.python)
    numpy.random.set_state(numbers.numpy)
    torch.random.set_rng_state(numbers.torch)
    if numbers.gpu is not None:
        torch.cuda.random.set_rng_state(numbers.gpu)
