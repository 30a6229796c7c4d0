"""The hash of what decides a run's result; equal hashes mean the same adapter.

It covers model, dataset, method, lora, training, evaluation, guards and
output.mergedWeights, after mutable revisions became commits and data a digest. Where things
run (compute), deadlines, secrets, endpoints and places of output never enter.
"""

import hashlib
import json
from operator import itemgetter
from typing import Any, Final

from preftrain_api.report import Pins
from preftrain_api.resolve import resolve
from preftrain_api.spec import PreferenceTrainingJobSpec

_MEMBERS: Final = ("model", "dataset", "method", "lora", "training", "evaluation", "guards")
_NOT_DECISIVE: Final = frozenset({"secret_ref", "s3", "revision"})
_PINNED: Final = frozenset({"uri", "split", "eval_split", "columns", "format", "filters"})
"""Ways to say which rows are meant; the digest of the rows replaces them."""


def spec_hash(spec: PreferenceTrainingJobSpec, pins: Pins) -> str:
    """`sha256:` and the hex digest of the canonical JSON of the decisive fields.

    Numbers are hashed by value (5e-6 and 0.000005 are one), fields at their default are left
    out, so a later field with a default changes no existing hash.
    """
    resolved = resolve(spec)
    decisive: dict[str, Any] = {}
    for member in _MEMBERS:
        value = getattr(resolved, member)
        if value is None:
            continue
        if isinstance(value, tuple):
            # Guards are a map by name: an API server may hand them back in another order.
            guards = [item.model_dump(exclude_defaults=True) for item in value]
            decisive[member] = sorted(guards, key=itemgetter("name"))
            continue
        fields = value.model_dump(exclude_defaults=True)
        decisive[member] = {key: item for key, item in fields.items() if key not in _NOT_DECISIVE}
    decisive["lora"]["target_modules"] = sorted(decisive["lora"]["target_modules"])
    if pins.data_digest is not None:
        decisive["dataset"] = {
            key: item for key, item in decisive["dataset"].items() if key not in _PINNED
        }
        decisive["dataset"].pop("audit", None)
    decisive["merged_weights"] = resolved.output.merged_weights
    decisive["pins"] = {"model": pins.model_commit, "data": pins.data_digest}
    return "sha256:" + hashlib.sha256(canonical_json(decisive)).hexdigest()


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys, no white space, and integral floats written as integers."""
    return json.dumps(
        _by_value(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _by_value(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {str(key): _by_value(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_by_value(item) for item in value]
    return value
