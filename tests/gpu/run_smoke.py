"""Runs whole jobs on a real GPU and prints what came out as a Markdown table.

    python tests/gpu/run_smoke.py --data pairs.jsonl.gz --size 0.5B --steps 20
    python tests/gpu/run_smoke.py --data pairs.jsonl.gz --size 7B --micro-batch 2 8
    python tests/gpu/run_smoke.py --data pairs.jsonl.gz --method DPO ORPO KTO --loss Sigmoid IPO
    python tests/gpu/run_smoke.py --data pairs.jsonl.gz --loss all --steps 5

Each row is one `preftrain run` in a process of its own, in 4 bits, with the full Unsloth path.
The model has the shape of a Qwen2 model and random weights, because speed and memory do not
depend on what a model knows; `--model` takes a real one. `--loss` goes through losses of DPO and
of KTO. Needs no network. All runs are made; fails when one of them did, when a first loss is not
its constant, or when an exported adapter is not the manifest's.
"""

import argparse
import gzip
import hashlib
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
for _folder in ("operator", "trainer-image", "tests"):
    sys.path.append(str(REPOSITORY / _folder))

from preftrain_api.spec.method import MethodType  # noqa: E402  # these need the path above
from preftrain_trainer.methods.labels import LABEL_LOSSES  # noqa: E402
from preftrain_trainer.methods.losses import LOSSES, Loss, Settings  # noqa: E402
from preftrain_trainer.methods.scores import UNKNOWN, PairScore  # noqa: E402
from preftrain_trainer.methods.table import METHODS  # noqa: E402
from support.tiny_model import write_tokenizer  # noqa: E402

GIB: Final = 1 << 30
SHAPES: Final[dict[str, dict[str, int]]] = {
    "0.5B": {
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
    },
    "7B": {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
    },
}
"""Of Qwen2.5."""
PAIR_LOSSES: Final[dict[str, Loss]] = {str(name): loss for name, loss in LOSSES.items()}
SMOOTHING: Final = 0.001
"""For the losses that read it."""
TOKENIZER_SAMPLE: Final = 1000
"""Lines of the data from which the stand-in tokenizer is learnt."""


@dataclass(frozen=True, slots=True)
class Case:
    """One run to make."""

    method: MethodType
    loss: str
    """Of DPO or KTO; empty for ORPO."""
    micro_batch: int

    @property
    def folder(self) -> str:
        """Where it works."""
        return f"{self.method}-{self.loss}-{self.micro_batch}"

    @property
    def spec(self) -> dict[str, Any]:
        """`spec.method`."""
        if self.method == "DPO":
            smoothing = {"labelSmoothing": SMOOTHING} if PAIR_LOSSES[self.loss].smoothed else {}
            return {"type": "DPO", "dpo": {"losses": [{"type": self.loss}], **smoothing}}
        if self.method == "KTO":
            return {"type": "KTO", "kto": {"lossType": self.loss}}
        return {"type": self.method}

    @property
    def start(self) -> float | None:
        """The first loss on pairs; None where it depends on the data."""
        if self.method == "KTO":
            return 0.5
        if self.method == "ORPO" or PAIR_LOSSES[self.loss].start is None:
            return None
        settings = Settings(beta=0.1, label_smoothing=SMOOTHING)
        return PAIR_LOSSES[self.loss].of_batch([PairScore(UNKNOWN, UNKNOWN)], settings)


def cases(options: argparse.Namespace) -> list[Case]:
    """Every method with every loss that it has, and every micro-batch."""
    known: dict[str, list[str]] = {"DPO": [*PAIR_LOSSES], "KTO": [*LABEL_LOSSES], "ORPO": [""]}
    wanted = {"", *options.loss}
    return [
        Case(method, loss, micro_batch)
        for method in options.method
        for loss in known[method]
        if "all" in wanted or loss in wanted
        for micro_batch in options.micro_batch
    ]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run left behind."""

    case: Case
    seconds: float
    manifest: dict[str, Any]
    steps: list[dict[str, Any]]

    def row(self) -> str:
        """The line of the table."""
        later = [step["seconds"] for step in self.steps[1:]]
        # ORPO's trainer counts none.
        tokens = self.steps[-1].get("tokens", math.nan) - self.steps[0].get("tokens", math.nan)
        peak = self.manifest["environment"].get("peakGpuMemoryBytes", math.nan) / GIB
        cells = (
            self.case.method,
            self.case.loss,
            f"{self.case.micro_batch}",
            f"{len(self.steps)}",
            f"{self.steps[0]['loss']:.6f}",
            "" if self.case.start is None else f"{self.case.start:.6f}",
            f"{self.steps[-1]['loss']:.6f}",
            f"{self.steps[0]['seconds']:.1f}",
            f"{statistics.median(later):.3f}",
            f"{min(later):.3f} to {max(later):.3f}",
            f"{tokens / sum(later):,.0f}",
            f"{peak:.1f}",
            f"{self.seconds:.0f}",
        )
        return f"| {' | '.join(cells)} |"


HEADER: Final = (
    "| method | loss | micro-batch | steps | first loss | exactly | last loss | first step s | "
    "median step s | range s | tokens/s | peak GiB | whole run s |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> int:
    """Run the jobs and print the table; 1 when one of them failed."""
    options = _parser().parse_args()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    model = options.model or make_model(work / f"model-{options.size}", options.size, options.data)
    asked = cases(options)
    outcomes = [
        outcome
        for case in asked
        if (outcome := run_job(options, model, work / case.folder, case)) is not None
    ]
    if outcomes:
        print(describe(options, outcomes[0].manifest))
    print("\n".join([HEADER, *(outcome.row() for outcome in outcomes)]))
    return 0 if len(outcomes) == len(asked) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="file of preference pairs")
    parser.add_argument("--size", choices=sorted(SHAPES), default="0.5B")
    parser.add_argument("--model", type=Path, help="folder of a real model, in place of --size")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=8, help="pairs or answers a step")
    parser.add_argument("--micro-batch", type=int, nargs="+", default=[2])
    parser.add_argument("--method", choices=METHODS, nargs="+", default=["DPO"])
    parser.add_argument(
        "--loss",
        choices=["all", *PAIR_LOSSES, *LABEL_LOSSES],
        nargs="+",
        default=["Sigmoid", "KTO"],
        help="losses of DPO and of KTO",
    )
    parser.add_argument("--max-length", type=int, default=1024)
    parser.add_argument("--work", type=Path, default=Path("/tmp/preftrain-gpu"))  # noqa: S108
    return parser


def make_model(folder: Path, size: str, data: Path) -> Path:
    """Write a model of random weights in bfloat16, and a tokenizer learnt from the data."""
    if (folder / "config.json").is_file():
        return folder
    import torch

    # Its constructors are typed too loosely to be checked.
    transformers: Any = import_module("transformers")
    folder.mkdir(parents=True)
    config = transformers.Qwen2Config(
        **SHAPES[size],
        max_position_embeddings=32768,
        tie_word_embeddings=size == "0.5B",
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = transformers.Qwen2ForCausalLM(config)
    write_tokenizer(folder, sample_lines(data), vocabulary=16384, positions=32768)
    model.to("cpu").save_pretrained(folder)
    return folder


def sample_lines(data: Path) -> Iterator[str]:
    """The first lines of the data, as text."""
    raw = data.read_bytes()
    text = (gzip.decompress(raw) if data.suffix == ".gz" else raw).decode()
    yield from islice(text.splitlines(), TOKENIZER_SAMPLE)


def run_job(options: argparse.Namespace, model: Path, folder: Path, case: Case) -> Outcome | None:
    """One `preftrain run`; None when it failed, with the reason on stderr."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest_file = folder / "job.json"
    manifest_file.write_text(json.dumps(job(options, model, case)))
    out = folder / f"out-{time.time_ns()}"
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "preftrain_trainer", "run", manifest_file, "--output", out],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=sys.stderr,
        check=False,
    )
    seconds = time.monotonic() - started
    if done.returncode != 0:
        print(f"{case.folder}: exit code {done.returncode}", file=sys.stderr)
        return None
    published = next(out.rglob("manifest.json")).parent
    manifest = json.loads((published / "manifest.json").read_text())
    lines = (published / "report" / "metrics.jsonl").read_text().splitlines()
    outcome = Outcome(case, seconds, manifest, [json.loads(line) for line in lines])
    problem = fault_of(outcome, published)
    if problem is not None:
        print(f"{case.folder}: {problem}", file=sys.stderr)
        return None
    return outcome


def job(options: argparse.Namespace, model: Path, case: Case) -> dict[str, Any]:
    """The manifest of one run."""
    return {
        "apiVersion": "preftrain.dev/v1alpha1",
        "kind": "PreferenceTrainingJob",
        "metadata": {"name": "gpu-smoke"},
        "spec": {
            "model": {"uri": f"file://{model.resolve()}", "quantization": "NF4"},
            "dataset": {"uri": f"file://{options.data.resolve()}"},
            "method": case.spec,
            "training": {
                "maxSteps": options.steps,
                "batchSize": options.batch,
                "microBatchSize": case.micro_batch,
                "maxLength": options.max_length,
            },
            "output": {"uri": "file:///replaced", "publishPolicy": "Always"},
        },
    }


def fault_of(outcome: Outcome, published: Path) -> str | None:
    """What is wrong with a run that ended well; None when nothing is."""
    first, exact = outcome.steps[0]["loss"], outcome.case.start
    if exact is not None and abs(first - exact) > 0.02 * max(1.0, exact):
        return f"the first loss is {first}, not {exact}"
    for file in outcome.manifest["files"]:
        content = (published / file["path"]).read_bytes()
        if hashlib.sha256(content).hexdigest() != file["sha256"]:
            return f"{file['path']} is not what the manifest lists"
    return None


def describe(options: argparse.Namespace, manifest: dict[str, Any]) -> str:
    """Hardware, versions and settings, as a paragraph above the table."""
    versions = ", ".join(f"{name} {value}" for name, value in manifest["versions"].items())
    resolved = ", ".join(f"{name} {value}" for name, value in manifest["resolved"].items())
    model = options.model.name if options.model else f"Qwen2 {options.size}, random weights"
    return (
        f"{time.strftime('%Y-%m-%d')}, {manifest['environment']['device']}. {model}, NF4, "
        f"{options.batch} examples a step of at most {options.max_length} tokens, "
        f"{options.data.name}.\n\n{versions}.\n\n{resolved}.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
