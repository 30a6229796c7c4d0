"""Runs of the tiny model in pods of their own, which can be struck by signals and resumed."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from preftrain_api.exit_codes import ExitCode
from preftrain_api.resolve import resolve
from preftrain_api.result import TrainResult
from preftrain_api.run_spec import RunIdentity, RunSpec
from preftrain_api.spec import PreferenceTrainingJobSpec
from support.moments import Moment
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
class Outcome:
    """What became of one run, with all its attempts."""

    codes: tuple[int, ...]
    """Exit code of each attempt, or minus the number of the signal that ended it."""
    adapter: str
    """SHA-256 of the published weights."""
    steps: tuple[dict[str, Any], ...]
    """The published log, without durations."""
    evaluations: tuple[dict[str, Any], ...]
    """The published evaluations."""
    manifest: dict[str, Any]
    seconds: float
    """From the first start to the last end."""


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

    def run(self, members: dict[str, Any], moment: Moment | None = None) -> int:
        """One attempt in a process of its own; returns its exit code, or minus a signal."""
        return self.wait(self.start(members, moment))

    def start(self, members: dict[str, Any], moment: Moment | None = None) -> int:
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
        return self.command(["train", "--run-spec", str(told)], env, moment)

    def command(
        self, arguments: list[str], env: dict[str, str], moment: Moment | None = None
    ) -> int:
        """Begin any command line; returns its process id."""
        struck = None if moment is None else asdict(moment)
        return self._zygote.start(arguments, env=env, log=self.log(self.attempt), moment=struck)

    def wait(self, pid: int) -> int:
        """How an attempt ended."""
        return self._zygote.wait(pid)

    def log(self, attempt: int) -> Path:
        """What that attempt printed."""
        return self.root / f"log-{attempt}.txt"

    def result(self, attempt: int) -> TrainResult:
        """What that attempt left for the operator."""
        return TrainResult.model_validate_json((self.root / f"result-{attempt}.json").read_bytes())

    def published(self) -> tuple[str, dict[str, Any]]:
        """SHA-256 of the weights, and the manifest."""
        weights = (self.output / "adapter" / "adapter_model.safetensors").read_bytes()
        manifest = json.loads((self.output / "manifest.json").read_text())
        return hashlib.sha256(weights).hexdigest(), manifest

    def logged(self, name: str) -> tuple[dict[str, Any], ...]:
        """Lines of a published log, without durations."""
        lines = (self.output / "report" / name).read_text().splitlines()
        return tuple(
            {key: value for key, value in json.loads(line).items() if key != "seconds"}
            for line in lines
        )


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
    attempts: int = 3,
) -> Outcome:
    """Run until the adapter is published, struck at `moment` in the first attempt.

    Raises:
        AssertionError: it does not come to an end; the log is named.
    """
    started = time.monotonic()
    codes = [pod.run(members, moment)]
    while codes[-1] != ExitCode.DONE and len(codes) < attempts:
        codes.append(pod.run(members))
    assert codes[-1] == ExitCode.DONE, f"{codes}; see {pod.root}/log-{pod.attempt}.txt"
    adapter, manifest = pod.published()
    return Outcome(
        codes=tuple(codes),
        adapter=adapter,
        steps=pod.logged("metrics.jsonl"),
        evaluations=pod.logged("evaluations.jsonl"),
        manifest=manifest,
        seconds=time.monotonic() - started,
    )
