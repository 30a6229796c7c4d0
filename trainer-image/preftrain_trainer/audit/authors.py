"""Whether one model wrote nearly all chosen answers, so that its style tells them apart."""

from collections.abc import Iterator
from typing import Final

from preftrain_trainer.audit.check import Check, Measure
from preftrain_trainer.data.pairs import LoadedData

ONE_MODEL_CHOSEN: Final = Check(
    "oneModelChosen",
    "have a chosen answer of one and the same model and a rejected one of another",
    "add pairs whose answers are of one model, or of many on both sides; what is learnt is the "
    "style of that model otherwise",
    "Warn",
    "ours; a preference for one writer can be told from its style alone",
    "one_model_chosen",
    "pairs",
)
CHECKS: Final = (ONE_MODEL_CHOSEN,)

_NAME_CHARACTERS: Final = 64


def measures(loaded: LoadedData) -> Iterator[Measure]:
    """The share of the commonest model, where the set says who wrote what."""
    authors = loaded.tally.authors
    if not authors.pairs:
        yield Measure(
            ONE_MODEL_CHOSEN, 0, 0, not_checked="the data do not say which model wrote what"
        )
        return
    ((name, count),) = authors.preferred.most_common(1) or [("", 0)]
    # A name out of the data may hold what no JSON can.
    shown = name[:_NAME_CHARACTERS].encode(errors="backslashreplace").decode()
    statement = (
        f"{count} of {authors.pairs} pairs ({count / authors.pairs:.1%}) have a chosen answer of "
        f"{shown} and a rejected one of another model"
        if count
        else None
    )
    yield Measure(ONE_MODEL_CHOSEN, count, authors.pairs, statement=statement)
