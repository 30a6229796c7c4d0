"""The guards of a training run as a table: what each watches, from where on, and what follows.

The one place that decides thresholds and actions; the trainer judges by it, and the reference
page is written from it. Which guards are trusted to end a run is the `action` column.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args

from preftrain_api.spec.method import MethodType
from preftrain_api.spec.quality import GuardAction, GuardName

GUARD_NAMES: Final[tuple[GuardName, ...]] = get_args(GuardName)
_ALL: Final[tuple[MethodType, ...]] = get_args(MethodType)


@dataclass(frozen=True, slots=True)
class GuardDefaults:
    """What a guard does when `spec.guards` says nothing else."""

    watches: str
    methods: tuple[MethodType, ...]
    threshold: float
    """Where it warns, in `unit`."""
    stop: float
    """Where the run is past saving, in `unit`; equal to the threshold for a guard that knows
    one degree only. Another threshold moves it in proportion."""
    unit: str
    action: GuardAction
    """Stop ends the run at `stop`; Warn tells about it."""
    source: str


_REWARDS: Final = "https://arxiv.org/abs/2410.08847 (likelihood displacement)"

GUARD_DEFAULTS: Final[Mapping[GuardName, GuardDefaults]] = {
    "NonFinite": GuardDefaults(
        "a loss that is no number, at once; a gradient norm that is none, several steps in a row",
        _ALL,
        3,
        3,
        "steps in a row with such a gradient",
        "Stop",
        "exact: weights that were updated with NaN stay NaN",
    ),
    "StepOneIdentity": GuardDefaults(
        "the first loss, which has an exact value before any update, and the first rewards, "
        "which are 0",
        _ALL,
        0.02,
        0.02,
        "deviation of the first loss relative to the larger of 1 and its exact value, in 16 "
        "bits; in 32 bits a two-hundredth of it",
        "Stop",
        "exact: policy and reference are the same model",
    ),
    "ResumeContinuity": GuardDefaults(
        "rewards that are 0 again after a resume, with the loss of an untrained model, though "
        "they were not before",
        ("DPO", "KTO"),
        0.1,
        0.1,
        "size of the first rewards after the resume, as a share of their size before",
        "Stop",
        "exact: only a lost adapter makes policy and reference the same model again",
    ),
    "NoSignal": GuardDefaults(
        "a gradient of nothing, ten steps in a row, 20 steps after the warm-up, with margin and "
        "loss of an untrained model",
        ("DPO", "KTO"),
        1e-5,
        1e-5,
        "gradient norm",
        "Warn",
        "https://github.com/huggingface/trl/issues/4023 (answers that are the same once cut)",
    ),
    "TokenAccuracy": GuardDefaults(
        "the share of chosen tokens that the model would have written itself",
        ("DPO",),
        0.1,
        0.3,
        "share of its value at the start that is lost; for ten steps in a row before it stops",
        "Warn",
        "docs/explanation/guards.md (tiny model: 0.73 to 0.03 while reward accuracy is 1)",
    ),
    "Entropy": GuardDefaults(
        "the entropy of the model's next token, which rises when it becomes noise; a fall below "
        "0.3 of the start (mode collapse) is only told",
        ("DPO", "KTO"),
        2,
        4,
        "multiple of its value at the start, and at least 0.5 nats more (1 to stop)",
        "Warn",
        "docs/explanation/guards.md (tiny model: 0.25 to 3.08 nats while reward accuracy is 1)",
    ),
    "Displacement": GuardDefaults(
        "the fall of the chosen answers' own likelihood, a token or as a multiple of the "
        "reference's; it stops only where TokenAccuracy or Entropy would warn, too",
        ("DPO", "KTO"),
        1.5,
        3,
        "nats a token lost; as a multiple: 1 + threshold, to stop 2 + stop",
        "Warn",
        f"{_REWARDS}; ordinary public QLoRA runs end at 1.8 to 2.4 times",
    ),
    "Saturation": GuardDefaults(
        "a reward margin beyond which the loss has no gradient left, at a training accuracy of "
        "0.98; losses Sigmoid, Robust and Hinge",
        ("DPO",),
        5,
        30,
        "reward margin",
        "Warn",
        "https://arxiv.org/abs/2305.18290, equation 7: at 5 the gradient's weight is 0.7 %",
    ),
    "TriviallySeparable": GuardDefaults(
        "a training accuracy that good 50 steps in a row within half an epoch, or a Sigmoid loss "
        "below 0.05",
        ("DPO",),
        0.98,
        0.98,
        "training accuracy",
        "Warn",
        "https://github.com/gradients-ai/G.O.D/pull/1344 (degenerate preference data)",
    ),
    "Overfit": GuardDefaults(
        "training accuracy beyond the held-out pairs' interval (DPO), twice in a row to stop; a "
        "held-out loss three times in a row above its best by 0.02 and 5 % is only told",
        _ALL,
        0.15,
        0.25,
        "training accuracy minus held-out accuracy",
        "Warn",
        "https://arxiv.org/abs/2406.02900 (over-optimisation, often within one epoch)",
    ),
    "InvertedLabels": GuardDefaults(
        "held-out accuracy below chance in two evaluations in a row, with its 95 % interval below "
        "0.5 and a negative margin, after 30 % of the steps",
        ("DPO",),
        0.45,
        0.45,
        "held-out accuracy",
        "Warn",
        "Wilson's interval; training and held-out labels contradict each other",
    ),
    "GradientSpikes": GuardDefaults(
        "gradient norms far above the median of the last 100, in 5 of 50 steps; to stop, once",
        _ALL,
        10,
        100,
        "multiple of the median gradient norm",
        "Warn",
        "docs/explanation/guards.md",
    ),
    "LabelImbalance": GuardDefaults(
        "steps with answers of one label only; also told: a KL above 0.3 nats a token, and no "
        "positive margin after 30 % of the steps",
        ("KTO",),
        0.2,
        0.2,
        "share of the steps",
        "Warn",
        "https://arxiv.org/abs/2402.01306, section 4 (both labels carry the loss)",
    ),
    "LikelihoodLoss": GuardDefaults(
        "the likelihood loss above its best; also told: log odds that do not rise within 30 % of "
        "the steps",
        ("ORPO",),
        0.1,
        0.3,
        "rise of the likelihood loss above its lowest value, as a share of that",
        "Warn",
        "https://arxiv.org/abs/2403.07691, equation 6",
    ),
    "Hyperparameters": GuardDefaults(
        "the spec, before anything is loaded: learning rate, epochs, beta",
        _ALL,
        2e-5,
        1e-4,
        "learning rate of a LoRA adapter",
        "Warn",
        "TRL's and the alignment handbook's LoRA recipes use 5e-6",
    ),
    "Stall": GuardDefaults(
        "the time since the newest step, while the run trains; at least 15 minutes. Told on "
        "/progress as long as it lasts; it cannot stop a process that hangs",
        _ALL,
        10,
        10,
        "multiple of the median step time",
        "Warn",
        "docs/explanation/guards.md",
    ),
}
"""Until a guard was calibrated on real runs (bench/trainer/calibrate_guards.py), it warns.
Those that stop are exact: what they see cannot happen in a run that is in order."""
