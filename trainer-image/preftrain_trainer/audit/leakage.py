"""Traces of prompts and templates in answers, which the model would learn to write."""

import re
from collections.abc import Iterator
from typing import Final

from preftrain_trainer.audit.check import Check, Hits, Measure
from preftrain_trainer.audit.seen import Seen

PROMPT_ECHO: Final = Check(
    "promptEcho",
    "have a good answer that begins with the prompt",
    "leave the prompt out of the answers",
    "Warn",
    "ours",
    "prompt_echo",
)
ROLE_MARKERS: Final = Check(
    "roleMarkers",
    "have an answer with a marker of a turn such as 'Human:' at the beginning of a line",
    "split the turns, or cut the answers before the marker",
    "Warn",
    "ours",
    "role_markers",
)
TEMPLATE_TOKENS: Final = Check(
    "templateTokens",
    "hold special tokens of chat templates as text, which become real ones in training",
    "remove them from the data",
    "Warn",
    "ours",
    "template_tokens",
)
CHECKS: Final = (PROMPT_ECHO, ROLE_MARKERS, TEMPLATE_TOKENS)

_ECHO_CHARACTERS: Final = 20
"""A shorter question may well be the beginning of its answer."""

_ROLE: Final = re.compile(
    r"^(?:Human|User|Assistant|System|### ?(?:Human|Assistant|Instruction|Input|Response)) ?:",
    re.MULTILINE,
)
_TOKEN: Final = re.compile(
    r"<\|[A-Za-z_]{1,32}\|>|</?s>\[|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:bos|eos)>|</s>\Z"
)


class LeakageProbe:
    """Looks for the three kinds of traces."""

    def __init__(self) -> None:
        self._total = 0
        self._echo, self._roles, self._tokens = Hits(), Hits(), Hits()

    def look(self, seen: Seen) -> None:
        """Look at one example."""
        self._total += 1
        start = seen.question.strip()
        if (
            seen.good is not None
            and len(start) >= _ECHO_CHARACTERS
            and seen.good.lstrip().startswith(start)
        ):
            self._echo.note(seen.row)
        if any(":" in answer and _ROLE.search(answer) for answer in seen.answers):
            self._roles.note(seen.row)
        if any(_holds_token(text) for text in (seen.prompt, *seen.answers)):
            self._tokens.note(seen.row)

    def measures(self) -> Iterator[Measure]:
        """All three shares."""
        yield self._echo.measure(PROMPT_ECHO, self._total)
        yield self._roles.measure(ROLE_MARKERS, self._total)
        yield self._tokens.measure(TEMPLATE_TOKENS, self._total)


def _holds_token(text: str) -> bool:
    # Nearly no text has either character, and looking for one is much cheaper than the pattern.
    return ("<" in text or "[" in text) and _TOKEN.search(text) is not None
