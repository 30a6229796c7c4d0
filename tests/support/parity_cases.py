"""What is trained twice, by this trainer and by plain TRL, to hold the losses side by side."""

from typing import Any, Final

from preftrain_trainer.data.pairs import PreferencePair

STEPS: Final = 5
BATCH: Final = 2
"""One micro-batch a step: that micro-batches are averaged, other tests show."""
BETA: Final = 0.25

_DPO: Final[dict[str, dict[str, Any]]] = {
    "Sigmoid": {},
    "Hinge": {},
    "IPO": {},
    "ExoPair": {"labelSmoothing": 0.001},
    "NCAPair": {},
    "Robust": {"labelSmoothing": 0.1},
    "BCOPair": {},
    "SPPOHard": {},
    "AOT": {"labelSmoothing": 0.1},
    "AOTUnpaired": {},
    "APOZero": {},
    "APODown": {},
    "Discopop": {},
    "SigmoidNorm": {},
    "SFT": {},
}

CASES: Final[dict[str, dict[str, Any]]] = {
    **{
        name: {"type": "DPO", "dpo": {"beta": BETA, "losses": [{"type": name}], **members}}
        for name, members in _DPO.items()
    },
    # Mixed preference optimisation, arXiv 2411.10442.
    "MPO": {
        "type": "DPO",
        "dpo": {
            "beta": BETA,
            "losses": [
                {"type": "Sigmoid", "weight": 0.8},
                {"type": "BCOPair", "weight": 0.2},
                {"type": "SFT"},
            ],
        },
    },
    "LengthDesensitised": {"type": "DPO", "dpo": {"beta": BETA, "ldAlpha": 0.5}},
    "ORPO": {"type": "ORPO", "orpo": {"beta": BETA}},
    "KTO": {"type": "KTO", "kto": {"beta": BETA}},
    # Bad answers push the point of comparison down to 0, where it is cut; without them it rises.
    "KTOAboveZero": {
        "type": "KTO",
        "kto": {"beta": BETA, "desirableWeight": 1.0, "undesirableWeight": 0.0},
    },
    "APOZeroUnpaired": {
        "type": "KTO",
        "kto": {"beta": BETA, "lossType": "APOZeroUnpaired", "desirableWeight": 1.2},
    },
}
"""`spec.method` of every case."""

TRAINING: Final = {
    "batchSize": BATCH,
    "microBatchSize": BATCH,
    "maxSteps": STEPS,
    "learningRate": 5e-3,
    "warmupRatio": 0.0,
}


def pairs() -> list[PreferencePair]:
    """Pairs of a few tokens, because plain TRL's kernel is interpreted; lengths differ."""
    good = ("Yes.", "No, thank you.", "It is Paris.", "short answers")
    bad = ("It depends on the ocean.", "Well.", "I am not sure.", "No.")
    return [
        PreferencePair(n + 1, f"What about {n}?", good[n % 4], bad[(n + n // 4) % 4])
        for n in range(16)
    ]
