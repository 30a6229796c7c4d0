"""Splits pairs into those that are trained on and those that judge, and names both by a digest.

Depends on the pairs and the seed alone: no clock, no order of files, no library's generator.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence

from preftrain_trainer.data.pairs import PreferencePair


def hold_out(
    pairs: Sequence[PreferencePair], fraction: float, seed: int
) -> tuple[list[PreferencePair], list[PreferencePair]]:
    """Split off about `fraction` of the pairs, chosen by a hash of seed and prompt.

    Pairs of one prompt stay together, so that nothing is judged on what it was trained on,
    and a pair's side does not depend on the rows around it more than by the count.
    """
    wanted = round(len(pairs) * fraction)
    groups: dict[bytes, int] = {}
    keys = [_prompt_key(pair, seed) for pair in pairs]
    for key in keys:
        groups[key] = groups.get(key, 0) + 1
    chosen: set[bytes] = set()
    count = 0
    for key in sorted(groups):
        if count >= wanted or count + groups[key] >= len(pairs):
            break
        chosen.add(key)
        count += groups[key]
    train = [pair for pair, key in zip(pairs, keys, strict=True) if key not in chosen]
    held_out = [pair for pair, key in zip(pairs, keys, strict=True) if key in chosen]
    return train, held_out


def digest(train: Iterable[PreferencePair], held_out: Iterable[PreferencePair]) -> str:
    """`sha256:` over the pairs in order; equal digests mean equal data and equal split."""
    total = hashlib.sha256()
    for name, pairs in (("train", train), ("held-out", held_out)):
        total.update(f"{name}\n".encode())
        for pair in pairs:
            total.update(_canonical(pair.columns()) + b"\n")
    return f"sha256:{total.hexdigest()}"


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _prompt_key(pair: PreferencePair, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\n".encode() + _canonical(pair.columns()["prompt"])).digest()
