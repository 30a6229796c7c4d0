"""Conversations: lists of messages, and the `Human:` / `Assistant:` text of the HH data sets."""

import re
from typing import Any, Final

from preftrain_trainer.data.pairs import Message

ROLES: Final = frozenset({"system", "user", "assistant", "tool"})
Messages = tuple[Message, ...]

_TURN: Final = re.compile(r"(?:\A|\n\n)(Human|Assistant):")
_HH_ROLES: Final = {"Human": "user", "Assistant": "assistant"}


def is_hh(text: str) -> bool:
    """Whether the text is a dialogue in HH form: it starts with a turn of the human."""
    return text.lstrip("\n").startswith("Human:") and "\n\nAssistant:" in text


def parse_hh(text: str) -> Messages:
    """The turns of an HH dialogue.

    Turns of one speaker in a row are one message, since chat templates want them to
    alternate; a last `Assistant:` without text, as prompts end, is left out.
    """
    parts = _TURN.split("\n\n" + text.lstrip("\n"))
    turns: list[Message] = []
    for speaker, content in zip(parts[1::2], parts[2::2], strict=True):
        role = _HH_ROLES[speaker]
        if turns and turns[-1]["role"] == role:
            joined = f"{turns[-1]['content']}\n\n{content.strip()}".strip()
            turns[-1] = Message(role=role, content=joined)
        else:
            turns.append(Message(role=role, content=content.strip()))
    if turns and turns[-1]["role"] == "assistant" and not turns[-1]["content"]:
        turns.pop()
    return tuple(turns)


def parse_messages(value: list[Any]) -> Messages:
    """A list of `{role, content}` as messages; further keys are left out.

    Raises:
        ValueError: with the reason why the list is no conversation.
    """
    return tuple(_message(item) for item in value)


def _message(item: Any) -> Message:
    if not isinstance(item, dict) or not {"role", "content"} <= item.keys():
        raise ValueError("a message is not an object with role and content")
    role, content = item["role"], item["content"]
    if role not in ROLES:
        raise ValueError(f"a message has the role {role!r}, not one of {', '.join(sorted(ROLES))}")
    if not isinstance(content, str):
        raise ValueError("the content of a message is not text")
    return Message(role=role, content=content)


def shared_start(first: Messages, second: Messages) -> int:
    """How many messages two conversations have in common, up to a turn that can be answered."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    while count and first[count - 1]["role"] == "assistant":
        count -= 1
    return count
