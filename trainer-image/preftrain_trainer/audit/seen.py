"""An example as the checks see it: plain text, whatever its form was."""

from dataclasses import dataclass

from preftrain_trainer.data.pairs import Example, PreferencePair, Text


@dataclass(frozen=True, slots=True)
class Seen:
    """One example.

    Attributes:
        row: its number in the source, from 1.
        prompt: all turns before the answer.
        question: the last of them.
        answers: of a pair chosen and rejected, otherwise the one answer.
        good: the answer that is learnt; None when the only answer is labelled bad.
    """

    row: int
    prompt: str
    question: str
    answers: tuple[str, ...]
    good: str | None

    @property
    def pair(self) -> tuple[str, str] | None:
        """Chosen and rejected, or None when there is but one answer."""
        return (self.answers[0], self.answers[1]) if len(self.answers) == 2 else None


def seen(example: Example) -> Seen:
    """The example as text."""
    prompt = example.prompt
    whole = text_of(prompt)
    question = whole if isinstance(prompt, str) else prompt[-1]["content"]
    if isinstance(example, PreferencePair):
        chosen = text_of(example.chosen)
        answers: tuple[str, ...] = (chosen, text_of(example.rejected))
        return Seen(example.row, whole, question, answers, chosen)
    answer = text_of(example.answer)
    good = answer if example.desirable else None
    return Seen(example.row, whole, question, (answer,), good)


def text_of(text: Text) -> str:
    """The content of all turns."""
    if isinstance(text, str):
        return text
    return text[0]["content"] if len(text) == 1 else "\n\n".join(turn["content"] for turn in text)
