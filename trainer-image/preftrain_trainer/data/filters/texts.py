"""What a rule is, and the texts of an example that it looks at."""

from collections.abc import Callable, Sequence

from preftrain_api.spec.filters import Within
from preftrain_trainer.data.pairs import Example, LabelledAnswer, Text

Drops = Callable[[Sequence[Example]], list[bool]]
"""A rule: which of the examples, in the order of the rows, are left out."""


def each(drops: Callable[[Example], bool]) -> Drops:
    """A rule that looks at one example at a time."""
    return lambda examples: [drops(example) for example in examples]


def texts(example: Example, within: Within) -> tuple[Text, ...]:
    """The parts that a rule's `within` names; a labelled answer is chosen or rejected."""
    if isinstance(example, LabelledAnswer):
        answers = {"Chosen": example.answer} if example.desirable else {"Rejected": example.answer}
    else:
        answers = {"Chosen": example.chosen, "Rejected": example.rejected}
    if within == "Prompt":
        return (example.prompt,)
    if within == "Answers":
        return tuple(answers.values())
    if within == "Any":
        return (example.prompt, *answers.values())
    return (answers[within],) if within in answers else ()


def plain(text: Text) -> str:
    """The text as one string; the turns of a conversation are lines."""
    return text if isinstance(text, str) else "\n".join(turn["content"] for turn in text)


def characters(text: Text) -> int:
    """Characters of the text, in all turns together."""
    return len(text) if isinstance(text, str) else sum(len(turn["content"]) for turn in text)
