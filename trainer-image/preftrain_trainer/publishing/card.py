"""The model card: `README.md` of the adapter's folder, in the form that model hubs read. Pure.

Says nothing about when, so equal runs have equal cards.
"""

import re
from bisect import bisect_left
from dataclasses import dataclass
from math import isfinite
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from preftrain_api.places import parse_uri
from preftrain_api.spec import LoraSpec, TrainingSpec
from preftrain_trainer.publishing.evidence import Evidence

CARD: Final = "README.md"

VLLM_RANKS: Final = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM's `--max-lora-rank` can be (`MaxLoRARanks` in its configuration)."""


@dataclass(frozen=True, slots=True)
class _Named:
    """A model or data set: by its id where it is on the hub, else by its place."""

    name: str
    hub: bool


def card(evidence: Evidence) -> str:
    """The card of the adapter that `evidence` speaks of, as Markdown."""
    spec = evidence.run.spec
    quantized = spec.model.quantization == "NF4"
    base = _named(spec.model.uri)
    return (
        _environment()
        .get_template("card.md.j2")
        .render(
            run=evidence.run,
            base=base,
            loaded_from=base.name if base.hub else "path/to/base",
            dataset=_named(spec.dataset.uri),
            method=spec.method,
            pins=evidence.pins,
            quantized=quantized,
            data_report=evidence.data_report,
            spec_hash=evidence.spec_hash,
            evaluation=evidence.evaluation,
            gates=evidence.gates,
            withheld=evidence.withheld,
            findings=evidence.findings,
            steps=evidence.steps,
            settings=_settings(evidence),
            vllm_rank=vllm_rank((spec.lora or LoraSpec()).rank),
            versions_line=", ".join(
                f"{name} {version}" for name, version in sorted(evidence.versions.items())
            ),
        )
    )


def vllm_rank(rank: int) -> int | None:
    """The smallest `--max-lora-rank` that lets vLLM load an adapter of this rank; None when its
    largest does not.
    """
    at = bisect_left(VLLM_RANKS, rank)
    return VLLM_RANKS[at] if at < len(VLLM_RANKS) else None


def _named(uri: str) -> _Named:
    place = parse_uri(uri)
    return _Named(place.root, True) if place.scheme == "hf" else _Named(uri, False)


def _settings(evidence: Evidence) -> list[tuple[str, str]]:
    spec = evidence.run.spec
    lora, training = spec.lora or LoraSpec(), spec.training or TrainingSpec()
    member = getattr(spec.method, spec.method.type.lower())
    method = {} if member is None else member.plain()
    return [
        ("Method", spec.method.type),
        *((_words(name), _value(value)) for name, value in method.items()),
        ("LoRA rank", str(lora.rank)),
        ("LoRA alpha", f"{lora.alpha:g}"),
        ("LoRA dropout", f"{lora.dropout:g}"),
        ("Target modules", ", ".join(lora.target_modules or ())),
        ("Steps", str(evidence.steps)),
        ("Batch size", str(training.batch_size)),
        ("Learning rate", f"{training.learning_rate:g}"),
        ("Schedule", f"{training.scheduler}, warm-up {training.warmup_ratio:g}"),
        ("Longest sequence", f"{training.max_length} tokens"),
        ("Seed", str(training.seed)),
        *((_words(name), value) for name, value in sorted(evidence.resolved.items())),
    ]


def _words(name: str) -> str:
    """`microBatchSize` as `Micro batch size`."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: f" {match[1].lower()}", name).capitalize()


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value)
    if isinstance(value, dict):
        return " ".join(_value(item) for item in value.values())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("preftrain_trainer.publishing"),
        autoescape=False,  # noqa: S701 - Markdown; what comes from outside goes through `cell`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell
    environment.filters["figure"] = _figure
    return environment


def _cell(text: object) -> str:
    """Text that stays within its line and its cell and is no HTML."""
    line = " ".join(str(text).split())
    return re.sub(r"([\\|<>`*\[\]])", r"\\\1", line)


def _figure(value: float) -> str:
    return f"{value:.4g}" if isfinite(value) else "not a number"
