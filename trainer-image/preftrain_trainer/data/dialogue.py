"""Conversations: lists of messages, also in ShareGPT's words, and HH's `Human:` / `Assistant:`."""

import re
import reprlib
from typing import Any, Final

from preftrain_trainer.data.pairs import Message

_OWN_ROLES: Final = ("assistant", "system", "tool", "user")
_ROLES: Final = {role: role for role in _OWN_ROLES} | {
    "human": "user",
    "prompter": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "observation": "tool",
}
"""Roles under all their names in public data sets, and what chat templates call them."""

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
    """A list of messages as `{role, content}`, or ShareGPT's `{from, value}`; further keys
    are left out, and parts of a content that are text are joined.

    Raises:
        ValueError: with the reason why the list is no conversation.
    """
    return tuple(parse_message(item) for item in value)


def parse_message(item: Any) -> Message:
    """One message of such a list.

    Raises:
        ValueError: with the reason why it is none.
    """
    if not is_message(item):
        raise ValueError("a message is not an object with role and content")
    own = {"role", "content"} <= item.keys()
    role, content = (item["role"], item["content"]) if own else (item["from"], item["value"])
    if not isinstance(role, str) or role not in _ROLES:
        roles = ", ".join(_OWN_ROLES)
        raise ValueError(f"a message has the role {reprlib.repr(role)}, not one of {roles}")
    return Message(role=_ROLES[role], content=_content(content))


def is_message(item: Any) -> bool:
    """Whether the value has the members of a message."""
    return isinstance(item, dict) and (
        {"role", "content"} <= item.keys() or {"from", "value"} <= item.keys()
    )


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_part(part) for part in content)
    raise ValueError("the content of a message is not text")


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        text = part.get("text")
        if isinstance(text, str):
            return text
        raise ValueError("the content of a message has a part of type 'text' that holds no text")
    shown = reprlib.repr(kind)
    raise ValueError(
        f"the content of a message has a part of type {shown}; only text can be trained on, "
        "not images or sound"
    )


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
