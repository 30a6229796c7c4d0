"""Sorts tokenized examples into those that can be trained on and the others, by problem."""

from array import array
from dataclasses import dataclass
from typing import Final

from preftrain_trainer.data.pairs import Example, PreferencePair
from preftrain_trainer.data.token_spill import Ids, TokenSpill

Rendered = tuple[Ids, tuple[Ids, ...]]
"""Token ids of a prompt and of its one or two answers; empty answers mark a prompt that is no
beginning of prompt plus answer."""

_END_WINDOW: Final = 8
"""Templates may put a line break or another token after the end mark."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an example cannot be trained on."""

    name: str
    text: str
    way_out: str
    threshold: str
    """Of dataset.audit.thresholds."""
    of_template: bool = False
    """Whether training would teach something else, so that no policy lets it pass."""


BROKEN_PREFIX: Final = Problem(
    "promptNotAPrefix",
    "have a prompt that the chat template renders differently once an answer follows",
    "use a model whose chat template renders the prompt the same way in both cases",
    "malformed",
    of_template=True,
)
NO_END_MARK: Final = Problem(
    "noEndMark",
    "have an answer that the chat template does not end with an end-of-sequence token",
    "use a model whose chat template ends the assistant's turn with its end-of-sequence token",
    "malformed",
    of_template=True,
)
PROMPT_TOO_LONG: Final = Problem(
    "promptTooLong",
    "have a prompt of {length} tokens or more, which leaves no room for an answer",
    "raise training.maxLength",
    "prompt_too_long",
)
SAME_WHEN_CUT: Final = Problem(
    "identicalAfterTruncation",
    "have two answers that are the same once they are cut at {length} tokens",
    "raise training.maxLength",
    "identical_after_truncation",
)


PROBLEMS: Final = (BROKEN_PREFIX, NO_END_MARK, PROMPT_TOO_LONG, SAME_WHEN_CUT)


class Sieve:
    """Keeps usable examples and the row numbers of the others, by problem."""

    def __init__(self, max_length: int, end_marks: frozenset[int], kept: TokenSpill) -> None:
        self.kept = kept
        self.rows = array("Q")
        self.labels = bytearray()
        """Whether each kept example is a good answer; a pair has one."""
        self.dropped: dict[str, list[int]] = {}
        self._max_length = max_length
        self._end_marks = end_marks

    def put(self, example: Example, rendered: Rendered) -> None:
        """Take one example."""
        problem = self._problem(*rendered)
        if problem is None:
            prompt, answers = rendered
            self.kept.append((prompt, *answers))
            self.rows.append(example.row)
            self.labels.append(isinstance(example, PreferencePair) or example.desirable)
        else:
            self.dropped.setdefault(problem.name, []).append(example.row)

    def _problem(self, prompt: Ids, answers: tuple[Ids, ...]) -> Problem | None:
        if not all(answers):
            return BROKEN_PREFIX
        if not all(self._end_marks.intersection(answer[-_END_WINDOW:]) for answer in answers):
            return NO_END_MARK
        room = self._max_length - len(prompt)
        if room <= 0:
            return PROMPT_TOO_LONG
        if len({answer[:room] for answer in answers}) < len(answers):
            return SAME_WHEN_CUT
        return None
