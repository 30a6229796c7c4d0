"""Runs of the tiny model that are killed and resumed, and what became of them.

Run as `python -m support.kill_matrix` it goes through all moments of all methods and prints a
table. The tests take a few of them.
"""

import hashlib
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from preftrain_api.exit_codes import ExitCode
from preftrain_api.resolve import resolve
from preftrain_api.result import TrainResult
from preftrain_api.run_spec import RunIdentity, RunSpec
from preftrain_api.spec import PreferenceTrainingJobSpec
from support.tiny_model import make_tiny_model
from support.trainer_cases import write_rows
from support.trainer_zygote import TrainerZygote

STEPS: Final = 8
SAVED_EVERY: Final = 2
EVALUATED_EVERY: Final = 4

METHODS: Final[dict[str, dict[str, Any]]] = {
    "DPO": {"method": {"type": "DPO"}},
    "ORPO": {"method": {"type": "ORPO"}},
    # Its micro-batch is 4, and the moments count four of them to a step.
    "KTO": {"method": {"type": "KTO"}, "training": {"batchSize": 16}},
}
"""Members of the spec by method."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a trainer is struck, and with what."""

    signal: str
    at: str
    count: int = 1
    share: float | None = None
    """For `at` "time": the share of the seconds that training takes, after which."""

    def __str__(self) -> str:
        when = f"{self.share:.2f} of training" if self.share is not None else f"{self.count}"
        return f"SIG{self.signal} {self.at} ({when})"


CHOSEN: Final = (
    Moment("TERM", "accumulating", 11),
    Moment("KILL", "before the pointer", 2),
    Moment("TERM", "evaluating", 2),
)
"""Those that every test run goes through. The first is inside a step whose predecessor is not
saved yet, so the state that is saved is put together there."""

OTHERS: Final = (
    Moment("TERM", "loading"),
    Moment("KILL", "accumulating", 8),
    Moment("TERM", "accumulating", 8),
    Moment("TERM", "accumulating", 2),
    Moment("TERM", "stepped", 3),
    Moment("KILL", "stepped", 7),
    Moment("TERM", "logged", 5),
    Moment("KILL", "writing", 2),
    Moment("TERM", "writing", 2),
    Moment("KILL", "uploading", 9),
    Moment("TERM", "uploading", 9),
    Moment("KILL", "after the pointer", 2),
    Moment("KILL", "removing", 2),
    Moment("KILL", "evaluating", 2),
    Moment("KILL", "exporting"),
    Moment("KILL", "publishing", 2),
)
_RANDOM: Final = 4


def random_moments(seed: int) -> tuple[Moment, ...]:
    """Moments spread over a run by chance, with both signals in turn."""
    chance = random.Random(seed)  # noqa: S311  # repeatable, not secret
    return tuple(
        Moment("KILL" if n % 2 else "TERM", "time", share=round(chance.uniform(0.1, 0.95), 2))
        for n in range(_RANDOM)
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run, with all its attempts."""

    codes: tuple[int, ...]
    """Exit code of each attempt, or minus the number of the signal that ended it."""
    adapter: str
    """SHA-256 of the published weights."""
    steps: tuple[dict[str, Any], ...]
    """The published log, without durations."""
    manifest: dict[str, Any]
    seconds: float
    """From the first start to the last end."""
    training_seconds: float
    """Of the steps that are in the log."""


class Pod:
    """Files and environment of one run, as the operator mounts them; one attempt at a time."""

    def __init__(self, root: Path, zygote: TrainerZygote, inputs: Path) -> None:
        self.root = root
        self._zygote = zygote
        self._inputs = inputs
        self.attempt = 0
        volumes = root / "volumes"
        for name in ("model", "dataset"):
            (volumes / name).mkdir(parents=True)
            (volumes / name / "x").symlink_to(inputs / name)
        (volumes / "output").mkdir()
        # One claim, mounted twice.
        (volumes / "checkpoint").symlink_to(volumes / "output")

    @property
    def output(self) -> Path:
        """The folder of the revision."""
        return self.root / "volumes" / "output" / "x" / "team" / "tiny" / "r1"

    def run(
        self, members: dict[str, Any], moment: Moment | None = None, training_seconds: float = 0.0
    ) -> int:
        """One attempt in a process of its own; returns its exit code, or minus a signal."""
        return self.wait(self.start(members, moment, training_seconds))

    def start(
        self, members: dict[str, Any], moment: Moment | None = None, training_seconds: float = 0.0
    ) -> int:
        """Begin the next attempt, in a pod with a name of its own; returns its process id."""
        self.attempt += 1
        told = self.root / f"run-{self.attempt}.json"
        told.write_text(
            run_spec(members, self.attempt).model_dump_json(by_alias=True, exclude_none=True)
        )
        env = {
            "PREFTRAIN_WORK_DIR": str(self.root / f"work-{self.attempt}"),
            "PREFTRAIN_CACHE_DIR": str(self._inputs / "cache"),
            "PREFTRAIN_VOLUMES_DIR": str(self.root / "volumes"),
            "PREFTRAIN_TERMINATION_LOG": str(self.root / f"result-{self.attempt}.json"),
            "PREFTRAIN_PORT": "0",
            "PREFTRAIN_POD_UID": f"pod-{self.attempt}",
        }
        return self.command(["train", "--run-spec", str(told)], env, moment, training_seconds)

    def command(
        self,
        arguments: list[str],
        env: dict[str, str],
        moment: Moment | None = None,
        training_seconds: float = 0.0,
    ) -> int:
        """Begin any command line; returns its process id."""
        by_itself: dict[str, Any] | None = None
        if moment is not None:
            by_itself = {
                "signal": moment.signal,
                "at": moment.at,
                "count": moment.count,
                "seconds": (moment.share or 0.0) * training_seconds,
            }
        log = self.log(self.attempt)
        return self._zygote.start(arguments, env=env, log=log, moment=by_itself)

    def wait(self, pid: int) -> int:
        """How an attempt ended."""
        return self._zygote.wait(pid)

    def log(self, attempt: int) -> Path:
        """What that attempt printed."""
        return self.root / f"log-{attempt}.txt"

    def result(self, attempt: int) -> TrainResult:
        """What that attempt left for the operator."""
        return TrainResult.model_validate_json((self.root / f"result-{attempt}.json").read_bytes())

    def published(self) -> tuple[str, tuple[dict[str, Any], ...], dict[str, Any]]:
        """SHA-256 of the weights, the log of the steps, and the manifest."""
        weights = (self.output / "adapter" / "adapter_model.safetensors").read_bytes()
        log = (self.output / "report" / "metrics.jsonl").read_text().splitlines()
        steps = tuple(json.loads(line) for line in log)
        manifest = json.loads((self.output / "manifest.json").read_text())
        return hashlib.sha256(weights).hexdigest(), steps, manifest


def make_inputs(folder: Path) -> Path:
    """Model and data of all runs."""
    make_tiny_model(folder / "model")
    rows = [
        {
            "prompt": f"What is {n} plus {n}?",
            "chosen": f"It is {2 * n}.",
            "rejected": f"Well, to be honest, I think it is {n}.",
        }
        for n in range(1, 61)
    ]
    write_rows(folder / "dataset" / "pairs.jsonl", rows)
    return folder


def run_spec(members: dict[str, Any], attempt: int) -> RunSpec:
    """The resolved spec of such a run: dropout, accumulation, saves and evaluations."""
    raw: dict[str, Any] = {
        "model": {"uri": "pvc://models/x", "quantization": "None"},
        "dataset": {"uri": "pvc://data/x/pairs.jsonl", "split": "train", "evalFraction": 0.2},
        "method": {"type": "DPO"},
        "output": {"uri": "pvc://results/x", "publishPolicy": "Always"},
        "compute": {"accelerator": "CPU"},
        "lora": {"rank": 4, "alpha": 8, "dropout": 0.1},
        "training": {
            "maxLength": 128,
            "maxSteps": STEPS,
            "batchSize": 8,
            "learningRate": 1e-3,
            "warmupRatio": 0.0,
        },
        "evaluation": {"everySteps": EVALUATED_EVERY},
        "checkpoint": {"everySteps": SAVED_EVERY},
    }
    for name, value in members.items():
        raw[name] = raw.get(name, {}) | value
    identity = RunIdentity(namespace="team", name="tiny", uid="u-1", revision=1, attempt=attempt)
    return RunSpec(
        identity=identity, stage="Train", spec=resolve(PreferenceTrainingJobSpec.parse(raw))
    )


def play(
    pod: Pod,
    members: dict[str, Any],
    moment: Moment | None = None,
    training_seconds: float = 0.0,
    attempts: int = 3,
) -> Outcome:
    """Run until the adapter is published, struck at `moment` in the first attempt.

    Raises:
        AssertionError: it does not come to an end; the log is named.
    """
    started = time.monotonic()
    codes = [pod.run(members, moment, training_seconds)]
    while codes[-1] != ExitCode.DONE and len(codes) < attempts:
        codes.append(pod.run(members))
    assert codes[-1] == ExitCode.DONE, f"{codes}; see {pod.root}/log-{pod.attempt}.txt"
    adapter, steps, manifest = pod.published()
    return Outcome(
        codes=tuple(codes),
        adapter=adapter,
        steps=tuple(
            {name: value for name, value in step.items() if name != "seconds"} for step in steps
        ),
        manifest=manifest,
        seconds=time.monotonic() - started,
        training_seconds=sum(step["seconds"] for step in steps),
    )


def problems(outcome: Outcome, whole: Outcome, moment: Moment) -> Iterator[str]:
    """What differs from an uninterrupted run, in words; nothing when all is well."""
    if outcome.adapter != whole.adapter:
        yield "another adapter"
    if outcome.steps != whole.steps:
        yield "another log of the steps"
    expected = -signal.Signals.SIGKILL if moment.signal == "KILL" else int(ExitCode.PREEMPTED)
    if moment.share is None and outcome.codes[0] != expected:
        yield f"ended with {outcome.codes[0]}, not {expected}"
    if len(outcome.codes) > 2:
        yield f"{len(outcome.codes)} attempts"


def main() -> int:
    """All moments of all methods, as a table in Markdown."""
    failed = False
    with tempfile.TemporaryDirectory(prefix="kill-matrix-") as folder:
        root = Path(folder)
        inputs = make_inputs(root / "inputs")
        zygote = TrainerZygote(inputs / "cache", root / "zygote.log")
        print("| method | struck | attempts ended with | went on after step | seconds | adapter |")
        print("| --- | --- | --- | --- | --- | --- |")
        for method, members in METHODS.items():
            whole = play(Pod(root / method / "whole", zygote, inputs), members)
            print(f"| {method} | never | 0 | | {whole.seconds:.1f} | {whole.adapter[:12]} |")
            for number, moment in enumerate((*CHOSEN, *OTHERS, *random_moments(7))):
                pod = Pod(root / method / str(number), zygote, inputs)
                outcome = play(pod, members, moment, whole.training_seconds)
                found = list(problems(outcome, whole, moment))
                failed = failed or bool(found)
                codes = ", ".join(map(str, outcome.codes))
                start = outcome.manifest["attempts"][-1]["startStep"]
                verdict = "; ".join(found) or f"{outcome.adapter[:12]}, identical"
                print(
                    f"| {method} | {moment} | {codes} | {start} | {outcome.seconds:.1f} "
                    f"| {verdict} |",
                    flush=True,
                )
        zygote.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
