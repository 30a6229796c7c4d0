"""Which files of a source make up a split.

Follows the conventions of public data sets: the card's `configs`, then the file's stem
(`train.jsonl.gz`), then a word of its path (`data/train-00000-of-00002.parquet`,
`train/part-0.json`).
"""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Final

import yaml

SUFFIXES: Final = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")
CARD: Final = "README.md"
_DESCRIPTIONS: Final = frozenset(
    {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}
)
"""What the library `datasets` writes beside the data."""

_SYNONYMS: Final = {
    "train": frozenset({"train", "training"}),
    "validation": frozenset({"validation", "valid", "val", "dev"}),
    "test": frozenset({"test", "testing", "eval", "evaluation"}),
}


def is_data_file(name: str) -> bool:
    """Whether the name is one of a form that can be read, gzipped or not, and no description."""
    if PurePosixPath(name).name in _DESCRIPTIONS:
        return False
    return name.lower().removesuffix(".gz").endswith(SUFFIXES)


def stem(name: str) -> str:
    """The file's name without folder, `.gz` and suffix."""
    return PurePosixPath(name.removesuffix(".gz")).stem


def select(names: Sequence[str], split: str, card: str | None = None) -> tuple[str, ...]:
    """The data files of `split`, sorted; empty when none fits.

    A source whose files carry the name of no split at all is taken as a whole for `train`.
    """
    data = sorted(name for name in names if is_data_file(name))
    declared = _declared(card, data) if card else {}
    if split in declared:
        return declared[split]
    # train_sft is no part of train where the card calls it a split of its own.
    elsewhere = frozenset().union(*declared.values())
    data = [name for name in data if name not in elsewhere]
    exact = tuple(name for name in data if stem(name) == split)
    if exact:
        return exact
    worded = tuple(
        name for name in data if _mentions(name, _SYNONYMS.get(split, frozenset({split})))
    )
    if worded:
        return worded
    known = frozenset().union(*_SYNONYMS.values())
    if split == "train" and not any(_mentions(name, known) for name in data):
        return tuple(data)
    return ()


def _mentions(name: str, words: frozenset[str]) -> bool:
    """Whether a folder of the path or a part of the file's name is one of the words."""
    path = f"{PurePosixPath(name).parent}/{stem(name)}".lower()
    return any(
        re.search(rf"(?<![a-z0-9]){re.escape(word.lower())}(?![a-z0-9])", path) for word in words
    )


def _declared(card: str, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Files that the card's default config (or its first) lists for each split."""
    if not card.startswith("---"):
        return {}
    try:
        header = yaml.safe_load(card.split("---", 2)[1])
    except (yaml.YAMLError, IndexError):
        return {}
    configs = header.get("configs") if isinstance(header, dict) else None
    if not isinstance(configs, list) or not all(isinstance(item, dict) for item in configs):
        return {}
    chosen: dict[str, Any] | None = next(
        (item for item in configs if item.get("default") or item.get("config_name") == "default"),
        configs[0] if configs else None,
    )
    entries = chosen.get("data_files") if chosen else None
    if not isinstance(entries, list):
        return {}
    patterns: dict[str, list[str]] = {}
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get("split"), str):
            patterns.setdefault(entry["split"], []).extend(_listed(entry.get("path")))
    found = {
        split: tuple(name for name in names if any(_matches(name, each) for each in globs))
        for split, globs in patterns.items()
    }
    return {split: files for split, files in found.items() if files}


def _listed(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, str)]


def _matches(name: str, pattern: str) -> bool:
    """Glob match in which `*` stops at slashes and `**` does not."""
    parts = re.split(r"(\*\*/?|\*|\?)", pattern)
    glob = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return (
        re.fullmatch("".join(glob.get(part, re.escape(part)) for part in parts), name) is not None
    )
