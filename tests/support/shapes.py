"""Reads rows without a file around them."""

from __future__ import annotations

from typing import Any

from preftrain_api.spec import DatasetSpec
from preftrain_trainer.data.pairs import LabelledAnswer, PreferencePair
from preftrain_trainer.data.shapes.registry import reading_of
from preftrain_trainer.data.shapes.shape import Reading
from preftrain_trainer.data.shapes.table import Table


def reading(rows: list[dict[str, Any]], **dataset: Any) -> Reading:
    """How rows are read; keywords are members of spec.dataset."""
    spec = DatasetSpec.parse({"uri": "hf://some/set", **dataset})
    return reading_of(Table.of(rows, spec.columns), spec, "rows.jsonl")


def user(text: str) -> dict[str, str]:
    """A turn of the user."""
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    """A turn of the assistant."""
    return {"role": "assistant", "content": text}


def columns_of(values: dict[str, Any]) -> dict[str, Any]:
    """What the only row of a file becomes."""
    example = reading([values]).read(1, values)
    assert isinstance(example, PreferencePair | LabelledAnswer)
    return dict(example.columns())


CONVERSATION = {"prompt": [user("q")], "chosen": [assistant("a")], "rejected": [assistant("b")]}
