"""Where a set keeps its prompts: a column of text or turns, and what goes before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from preftrain_trainer.data.dialogue import Messages
from preftrain_trainer.data.pairs import Message, Text
from preftrain_trainer.data.shapes.cells import is_question, is_text, text_of
from preftrain_trainer.data.shapes.left_out import MalformedRow
from preftrain_trainer.data.shapes.table import Table

_USUAL: Final = (
    "question",
    "instruction",
    "query",
    "context",
    "input",
    "history",
    "conversations",
    "conversation",
    "messages",
)
_SYSTEM: Final = ("system", "system_prompt")


@dataclass(frozen=True, slots=True)
class PromptColumns:
    """The columns that make up a prompt; `prompt` is None when the answers hold it too.

    Attributes:
        prompt: text, or the conversation so far.
        addition: what an Alpaca instruction is applied to; may be empty in rows.
        system: system prompt; may be empty in rows.
        history: Alpaca's earlier turns, as pairs of question and answer.
    """

    prompt: str | None
    addition: str | None = None
    system: str | None = None
    history: str | None = None

    @classmethod
    def of(cls, table: Table) -> "PromptColumns":
        """The columns of a table.

        Raises:
            NoColumn: one that was asked for is not there.
        """
        # A column of this very name is meant to be one, whatever its first rows hold.
        prompt = "prompt" if "prompt" in table.columns else None
        if prompt is None or "prompt" in table.asked:
            prompt = table.find("prompt", _USUAL, is_question)
        system = table.find("system", (), is_text)
        if system is None:
            system = next((name for name in _SYSTEM if table.may_hold(name, is_text)), None)
        has_input = prompt == "instruction" and table.may_hold("input", is_text)
        has_history = prompt != "history" and table.may_hold("history", _is_history)
        return cls(
            prompt,
            addition="input" if has_input else None,
            system=system,
            history="history" if has_history else None,
        )

    @property
    def names(self) -> dict[str, str]:
        """The columns that are read, by what they hold."""
        parts = {
            "prompt": self.prompt,
            "input": self.addition,
            "system": self.system,
            "history": self.history,
        }
        return {part: column for part, column in parts.items() if column is not None}

    def prompt_of(self, values: Mapping[str, Any]) -> Text | None:
        """The prompt of a row; None when the answers hold it.

        Raises:
            MalformedRow: it is missing or neither text nor a conversation.
        """
        if self.prompt is None:
            return None
        prompt = text_of(values, self.prompt)
        addition = values.get(self.addition) if self.addition else None
        if isinstance(prompt, str) and isinstance(addition, str) and addition.strip():
            return f"{prompt}\n{addition}"
        return prompt

    def turns_before(self, values: Mapping[str, Any]) -> Messages | None:
        """System prompt and earlier turns of a row; None where the set has no column for them.

        Raises:
            MalformedRow: they are of another type.
        """
        if self.system is None and self.history is None:
            return None
        turns: list[Message] = []
        system = values.get(self.system) if self.system else None
        if system is not None and not isinstance(system, str):
            raise MalformedRow(f"{self.system} is not text")
        if system and system.strip():
            turns.append(Message(role="system", content=system))
        history = values.get(self.history) if self.history else None
        if history is not None and not _is_history(history):
            raise MalformedRow(f"{self.history} is not a list of question and answer")
        for question, answer in history or ():
            turns.append(Message(role="user", content=question))
            turns.append(Message(role="assistant", content=answer))
        return tuple(turns)


def _is_history(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(turn, list) and len(turn) == 2 and all(map(is_text, turn)) for turn in value
    )
