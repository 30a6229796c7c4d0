"""Specs for tests of the trainer: small, resolved, and with the CPU as the accelerator."""

from typing import Any

from preftrain_api.resolve import resolve
from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_api.wire import ALLOW_FILE


def resolved_spec(**members: Any) -> PreferenceTrainingJobSpec:
    """A resolved DPO spec on the CPU; `members` are merged into it, one level deep."""
    raw: dict[str, Any] = {
        "model": {"uri": "file:///models/tiny", "quantization": "None"},
        "dataset": {"uri": "file:///data/pairs.jsonl"},
        "method": {"type": "DPO"},
        "output": {"uri": "file:///results"},
        "compute": {"accelerator": "CPU"},
        "training": {"maxLength": 128},
    }
    for name, value in members.items():
        raw[name] = raw.get(name, {}) | value if isinstance(value, dict) else value
    return resolve(PreferenceTrainingJobSpec.parse(raw, context={ALLOW_FILE: True}))
