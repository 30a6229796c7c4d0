"""Runs as a report tells them, made up; `python -m support.report_cases FOLDER` writes one."""

import math
import random
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from preftrain_api.manifest import AttemptRecord, MergedWeights
from preftrain_api.report import DataReport, Evaluation, Finding, GateVerdict, Metrics, Pins
from preftrain_api.resolve import resolve
from preftrain_api.run_spec import RunIdentity, RunSpec
from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_trainer.evaluation.margins import PairMargin
from preftrain_trainer.evaluation.samples import Answer, Sample
from preftrain_trainer.publishing.evidence import Evidence
from preftrain_trainer.report.content import RunReport
from preftrain_trainer.report.page import render
from preftrain_trainer.report.pictures import write_pictures

SPEC: dict[str, Any] = {
    "model": {"uri": "hf://acme/Kestrel-7B-Instruct", "quantization": "NF4"},
    "dataset": {"uri": "s3://preferences/support-answers.jsonl.gz", "split": "train"},
    "method": {"type": "DPO", "dpo": {"beta": 0.1}},
    "output": {"uri": "s3://adapters/team-a", "secretRef": {"name": "s3-keys"}},
    "compute": {"env": [{"name": "TRACKER_TOKEN", "value": "t0p-secret"}]},
}
STEPS = 240
HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=alert(1)> &amp; "
    "{{ 7 * 7 }} \u202eevil\u202c \x1b[31mred\x00 </style></svg>'\"><b>bold</b>"
)


def evidence(**changes: Any) -> Evidence:
    """What is known of a finished run of 240 steps."""
    whole = Evidence(
        run=RunSpec(
            identity=RunIdentity(
                namespace="team-a", name="support-dpo", uid="u-1", revision=3, attempt=2
            ),
            stage="Train",
            spec=resolve(PreferenceTrainingJobSpec.parse(SPEC)),
        ),
        pins=Pins(model_commit="4d6c2fcb" * 5, data_digest=f"sha256:{'3f' * 32}"),
        spec_hash=f"sha256:{'c0' * 32}",
        data_report=DataReport(
            rows=2312,
            train_rows=2193,
            eval_rows=115,
            dropped_rows=4,
            findings=(
                Finding(
                    name="identicalPairs",
                    severity="Warning",
                    message="4 of 2312 rows have one answer as both chosen and rejected and were "
                    "left out, for example row 117",
                    count=4,
                ),
            ),
        ),
        resolved={"microBatchSize": "2", "precision": "BF16", "rendering": "ChatTemplate"},
        versions={"preftrain": "0.1.0", "torch": "2.13.0", "trl": "1.15.0", "peft": "0.21.2"},
        environment={"accelerator": "GPU", "device": "Some GPU", "peakGpuMemoryBytes": 9 << 30},
        created=datetime(2026, 11, 24, 9, 30, tzinfo=UTC),
        steps=STEPS,
        metrics=Metrics(loss=0.53),
        findings=(
            Finding(
                name="Displacement",
                severity="Warning",
                message="chosen answers have become 2.6 times as unlikely as at the start; lower "
                "training.learningRate, or add an SFT term",
                step=188,
            ),
        ),
        evaluation=Evaluation(
            pairs=115,
            reward_accuracy=0.6957,
            accuracy_low=0.6064,
            accuracy_high=0.7722,
            reward_margin=0.641,
            loss=0.541,
            chosen_log_ratio=-3.2,
        ),
        gates=(
            GateVerdict(
                metric="RewardAccuracyLowerBound",
                operator="GreaterThan",
                threshold=0.5,
                value=0.6064,
                passed=True,
            ),
            GateVerdict(
                metric="EvalLoss", operator="LessThan", threshold=0.6, value=0.541, passed=True
            ),
        ),
        withheld=False,
        adapter_step=STEPS,
        attempts=(
            AttemptRecord(number=2, pod_uid="pod-1", start_step=0, end_step=STEPS, seconds=1260.0),
        ),
        gpu_seconds=1241.0,
        merged=MergedWeights(
            dtype="BF16",
            tokens=256,
            largest_difference=0.061,
            tolerance=0.25,
            largest_effect=0.42,
            retained=0.983,
        ),
    )
    return replace(whole, **changes)


def run_report(**changes: Any) -> RunReport:
    """That run with everything that a page can show."""
    chance = random.Random(7)  # noqa: S311 - noise for a picture
    whole = RunReport(
        evidence=evidence(),
        outcome="Published",
        message="",
        total_steps=STEPS,
        steps_log=tuple(_step(step, STEPS, chance) for step in range(1, STEPS + 1)),
        evaluations=tuple(
            {
                "step": step,
                "loss": _towards(0.693, 0.541, step),
                "rewardMargin": _towards(0.0, 0.641, step),
                "rewardAccuracy": _towards(0.5, 0.6957, step),
            }
            for step in (60, 120, 180, STEPS)
        ),
        margins=tuple(_margin(row, chance) for row in range(2001, 2116)),
        samples=SAMPLES,
    )
    return replace(whole, **changes)


SAMPLES = (
    Sample(
        row=2044,
        prompt=(
            {"role": "system", "content": "You answer for the support desk of a bicycle shop."},
            {
                "role": "user",
                "content": "My rear brake squeals when it rains. Is that dangerous, and can I do "
                "something about it myself?",
            },
        ),
        chosen=(
            {
                "role": "assistant",
                "content": "It is rarely dangerous. Clean rim and pads with alcohol, sand the "
                "pads lightly, and have them toed in if it stays.",
            },
        ),
        base=Answer(
            text="Squealing brakes can be caused by a number of different factors, and it is "
            "important to understand each of them.\n\n1. Water on the rim\n2. Worn pads\n3. Dirt\n"
            "4. Misalignment\n\nThere are many things that you might consider, and I would be "
            "happy to go through them one by one. First of all, let us talk about water, which",
            tokens=96,
            ending="Length",
        ),
        adapter=Answer(
            text="Mostly not. Wet pads squeal when they are dirty or glazed: wipe rim and pads "
            "with alcohol and sand the pads lightly. If it still squeals, let us toe them in.",
            tokens=41,
            ending="EndMark",
        ),
    ),
    Sample(
        row=2007,
        prompt="Do you repair tandems?",
        chosen="Yes, on Tuesdays.",
        base=Answer(text="", tokens=0, ending="EndMark"),
        adapter=Answer(text="مرحبا! Yes, please call first.", tokens=9, ending="EndMark"),
    ),
    Sample(
        row=2099,
        prompt="Write something that breaks a page.",
        chosen=None,
        base=Answer(text=HOSTILE, tokens=60, ending="Length"),
        adapter=Answer(text="No, thank you.", tokens=5, ending="EndMark"),
    ),
)


def _towards(start: float, end: float, step: int) -> float:
    """A figure that is `end` at the last step, as the evaluation at the end of a run is."""
    share = (1 - math.exp(-step / 90)) / (1 - math.exp(-STEPS / 90))
    return start + share * (end - start)


def _step(step: int, steps: int, chance: random.Random) -> dict[str, Any]:
    learnt = 1 - math.exp(-step / 80)
    noise = chance.gauss(0, 1)
    chosen = -0.35 * learnt + 0.05 * chance.gauss(0, 1)
    margin = 0.9 * learnt + 0.15 * noise * learnt
    return {
        "step": step,
        "seconds": 31.0 if step == 1 else 1.18 + 0.05 * abs(noise),
        "loss": 0.6931 - 0.2 * learnt + 0.05 * noise * min(learnt * 4, 1),
        "grad_norm": 2.4 + abs(noise) * (1 - learnt / 2) + 1.2,
        "learning_rate": 5e-6 * min(step / 24, 0.5 + 0.5 * math.cos(math.pi * step / steps)),
        "reward_margin": margin,
        "reward_accuracy": min(1.0, max(0.0, round(8 * (0.5 + 0.28 * learnt + 0.1 * noise)) / 8)),
        "rewards_chosen": chosen,
        "rewards_rejected": chosen - margin,
        "log_probability_chosen": -182 - 12 * learnt + 9 * chance.gauss(0, 1),
        "log_probability_rejected": -176 - 24 * learnt + 9 * chance.gauss(0, 1),
        "entropy": 1.21 + 0.09 * learnt + 0.03 * noise,
        "token_accuracy": 0.612 - 0.008 * learnt + 0.01 * noise,
        "tokens": step * 6350.0 + 400 * noise,
    }


def _margin(row: int, chance: random.Random) -> PairMargin:
    chosen, margin = chance.gauss(-0.35, 0.4), chance.gauss(0.6, 0.95)
    return PairMargin(
        row=row,
        chosen_reward=chosen,
        rejected_reward=chosen - margin,
        margin=margin,
        chosen_tokens=chance.randrange(20, 400),
        rejected_tokens=chance.randrange(20, 400),
    )


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.mkdir(parents=True, exist_ok=True)
    made = run_report()
    (place / "report.html").write_text(render(made), encoding="utf-8")
    write_pictures(place / "curves", made.steps_log, made.evaluations)
