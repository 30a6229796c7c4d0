"""The demo's preference pairs: a short direct answer over the same answer inside rambling.

Made from `content/*.toml` with a fixed seed, so that every run has the same bytes. Run as
`python -m demo.pairs FOLDER`; it writes `train.jsonl` and `held-out.jsonl`.
"""

import argparse
import json
import random
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Split = Literal["train", "held-out"]

CONTENT = Path(__file__).parent / "content"
SOURCES: dict[Split, Path] = {
    "train": CONTENT / "training.toml",
    "held-out": CONTENT / "held-out.toml",
}
FREE_PROMPTS = 20
RUN_OF_WORDS = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """One preference: to `prompt`, `chosen` is the better answer."""

    template: str
    """The question before its words are filled in; names the kind of question."""
    prompt: str
    chosen: str
    rejected: str

    def record(self) -> dict[str, list[dict[str, str]]]:
        """The pair as chat messages, the form in which an instruct model was trained."""
        return {
            "prompt": [{"role": "user", "content": self.prompt}],
            "chosen": [{"role": "assistant", "content": self.chosen}],
            "rejected": [{"role": "assistant", "content": self.rejected}],
        }


def make_pairs(split: Split, seed: int = 0) -> tuple[Pair, ...]:
    """All pairs of one split, in an order that mixes the templates."""
    content = tomllib.loads(SOURCES[split].read_text(encoding="utf-8"))
    chance = random.Random(f"{split} {seed}")  # noqa: S311 (no secret is made)
    pairs = [
        make_pair(template, row, ramble(content, number, chance))
        for template in content["template"]
        for number, row in enumerate(template["rows"])
    ]
    chance.shuffle(pairs)
    return tuple(pairs)


def free_prompts() -> tuple[str, ...]:
    """Held-out questions to be answered freely: one of each of the first 20 templates."""
    content = tomllib.loads(SOURCES["held-out"].read_text(encoding="utf-8"))
    return tuple(
        template["ask"].format(*template["rows"][0])
        for template in content["template"][:FREE_PROMPTS]
    )


def make_pair(template: dict[str, Any], row: list[str], rambling: tuple[str, str]) -> Pair:
    """Fill one row into its template and put rambling around the rejected answer."""
    answer = template["answer"].format(*row)
    answer = answer[0].upper() + answer[1:]
    before, after = rambling
    return Pair(
        template=template["ask"],
        prompt=template["ask"].format(*row),
        chosen=answer,
        rejected=" ".join(part for part in (before, answer, after) if part),
    )


def ramble(content: dict[str, Any], number: int, chance: random.Random) -> tuple[str, str]:
    """Rambling before and after an answer.

    The three shapes take turns: with one alone the model could learn a place instead of a habit.
    """
    before, after = content["before"], content["after"]
    match number % 3:
        case 0:
            return " ".join(chance.sample(before, 2)), ""
        case 1:
            return "", " ".join(chance.sample(after, 2))
        case _:
            return chance.choice(before), chance.choice(after)


def word_runs(prompt: str) -> frozenset[tuple[str, ...]]:
    """Every run of three words in a prompt, without case and punctuation.

    Two prompts of one template share such runs unless the template is very short; the training
    and the held-out prompts share none.
    """
    words = re.findall(r"[\w'-]+", prompt.lower())
    return frozenset(
        tuple(words[start : start + RUN_OF_WORDS]) for start in range(len(words) - RUN_OF_WORDS + 1)
    )


def write_pairs(folder: Path, seed: int = 0) -> dict[Split, int]:
    """Write both splits as JSON lines; returns how many pairs each holds."""
    folder.mkdir(parents=True, exist_ok=True)
    counts: dict[Split, int] = {}
    for split in SOURCES:
        pairs = make_pairs(split, seed)
        lines = (json.dumps(pair.record(), ensure_ascii=False) + "\n" for pair in pairs)
        (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
        counts[split] = len(pairs)
    return counts


def main() -> int:
    """Write the pairs into a folder."""
    parser = argparse.ArgumentParser(prog="demo.pairs", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for split, count in write_pairs(options.folder, options.seed).items():
        print(f"{options.folder / split}.jsonl: {count} pairs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
