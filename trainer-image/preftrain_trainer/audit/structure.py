"""What reading left out: rows that are no examples, say nothing, or say it twice."""

from collections.abc import Iterator
from typing import Final

from preftrain_trainer.audit.check import Check, Measure
from preftrain_trainer.data.pairs import LoadedData
from preftrain_trainer.data.tally import DropReason, Tally

_OURS: Final = "ours: more of them points at a faulty export"

CHECKS: Final[dict[DropReason, Check]] = {
    "malformed": Check(
        "malformed",
        "are no usable examples",
        "correct the data, or name the right columns in dataset.columns",
        "Refuse",
        _OURS,
        "malformed",
        "rows",
    ),
    "identicalPairs": Check(
        "identicalPairs",
        "have one answer as both chosen and rejected",
        "correct the data; such pairs carry no preference",
        "Refuse",
        _OURS,
        "identical_pairs",
        "rows",
    ),
    "contradictions": Check(
        "contradictions",
        "are contradicted by another row, which prefers the other answer to the same prompt",
        "correct the labels",
        "Refuse",
        "ours; swapped labels bound the accuracy that can be reached (arXiv 2403.00409)",
        "contradictions",
        "rows",
    ),
    "duplicates": Check(
        "duplicates",
        "repeat an earlier row",
        "check how the data were put together",
        "Warn",
        "ours; each row is used once",
        "duplicates",
        "rows",
    ),
    "evalOverlap": Check(
        "evalOverlap",
        "have a prompt that is trained on as well and would judge what was learnt by heart",
        "take them out of dataset.evalSplit, or use dataset.evalFraction, which keeps prompts "
        "apart",
        "Warn",
        "ours; they judge nothing",
        "eval_overlap",
        "held-out rows",
    ),
    "ties": Check(
        "ties",
        "have answers that are rated alike, so that neither is preferred",
        "nothing needs to be done",
        "Report",
        "as in the cleaned UltraFeedback set",
        unit="rows",
    ),
    "singleAnswers": Check(
        "singleAnswers",
        "hold the only rated answer of their prompt",
        "keep the answers of a prompt in rows that follow one another",
        "Report",
        "a preference needs two",
        unit="rows",
    ),
    "filtered": Check(
        "filtered",
        "were left out by dataset.filters",
        "nothing needs to be done",
        "Report",
        "the job itself",
        unit="rows",
    ),
}


def measures(loaded: LoadedData) -> Iterator[Measure]:
    """What was left out, for each reason."""
    tally = loaded.tally
    for reason, check in CHECKS.items():
        dropped = tally.dropped[reason]
        of = len(loaded.held_out) + dropped.rows if reason == "evalOverlap" else tally.rows
        statement = _by_rule(check, tally) if reason == "filtered" and dropped.rows else None
        yield Measure(check, dropped.rows, of, tuple(dropped.examples), statement=statement)


def _by_rule(check: Check, tally: Tally) -> str:
    count = tally.dropped["filtered"].rows
    rules = ", ".join(f"{found.rule} {found.rows}" for found in tally.filtered)
    return f"{count} of {tally.rows} rows ({count / tally.rows:.1%}) {check.says}: {rules}"
