"""Chooses the examples that judge, and names those and the trained ones by a digest.

Depends on the examples and the seed alone: no clock, no order of files, no library's generator.
"""

import hashlib
from collections.abc import Iterable

import numpy as np

from preftrain_trainer.data.pairs import Example
from preftrain_trainer.data.repeats import Groups, Keys, Mask
from preftrain_trainer.data.spill import canonical


def hold_out(prompts: Keys, fraction: float) -> Mask:
    """Which examples to hold out: about `fraction` of them, chosen by a hash of seed and prompt.

    Examples of one prompt stay together, so that nothing is judged on what it was trained on,
    and an example's side does not depend on the rows around it more than by the count.
    """
    held_out = np.zeros(len(prompts), np.bool_)
    wanted = round(len(prompts) * fraction)
    if not wanted:
        return held_out
    groups = Groups.of(prompts)
    # Where a group starts is how many are held out before it. Training keeps one prompt at least.
    ends = groups.starts + groups.sizes
    taken = (groups.starts < wanted) & (ends < len(prompts))
    held_out[groups.order] = taken[groups.number]
    return held_out


def digest(train: Iterable[Example], held_out: Iterable[Example]) -> str:
    """`sha256:` over the examples in order; equal digests mean equal data and equal split."""
    return digest_of_lines(map(_line, train), map(_line, held_out))


def digest_of_lines(train: Iterable[bytes], held_out: Iterable[bytes]) -> str:
    """The same over their canonical lines."""
    total = hashlib.sha256()
    for name, lines in (("train", train), ("held-out", held_out)):
        total.update(f"{name}\n".encode())
        for line in lines:
            total.update(line)
    return f"sha256:{total.hexdigest()}"


def _line(example: Example) -> bytes:
    return canonical(example.columns()) + b"\n"
