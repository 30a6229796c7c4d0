"""Examples as the audit sees them, and what a probe measures of them."""

from collections.abc import Sequence

from preftrain_trainer.audit.check import Measure, Probe
from preftrain_trainer.audit.seen import Seen, seen
from preftrain_trainer.data.pairs import LabelledAnswer, PreferencePair


def pair(prompt: str, chosen: str = "Yes.", rejected: str = "No.", row: int = 1) -> Seen:
    """A pair of plain text."""
    return seen(PreferencePair(row, prompt, chosen, rejected))


def answer(text: str, good: bool = True, row: int = 1) -> Seen:
    """One labelled answer."""
    return seen(LabelledAnswer(row, "Well?", text, good))


def looked(probe: Probe, examples: Sequence[Seen]) -> dict[str, Measure]:
    """The measures of a probe that has seen these examples, by the check's name."""
    for example in examples:
        probe.look(example)
    return {measure.check.name: measure for measure in probe.measures()}
