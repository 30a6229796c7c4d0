"""Which files make up a split."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from preftrain_trainer.data.load import load
from preftrain_trainer.data.splits import select
from preftrain_trainer.places.source import SourceFile
from support.trainer_cases import run_spec, text_rows, write_rows

CARD = """---
configs:
- config_name: default
  data_files:
  - split: train_prefs
    path: data/train_prefs-*
  - split: test
    path: ['more/**/b-?.json', extra.csv]
---
# A data set
"""


@pytest.mark.parametrize(
    ("names", "split", "selected"),
    [
        (["train.jsonl", "test.jsonl"], "train", ["train.jsonl"]),
        (["train.jsonl.gz", "test.jsonl.gz"], "test", ["test.jsonl.gz"]),
        (["x/train.jsonl", "y/train.jsonl"], "train", ["x/train.jsonl", "y/train.jsonl"]),
        (
            [
                "data/train-00001-of-2.parquet",
                "data/train-00000-of-2.parquet",
                "data/test-0.parquet",
            ],
            "train",
            ["data/train-00000-of-2.parquet", "data/train-00001-of-2.parquet"],
        ),
        (["train/a.json", "test/a.json"], "test", ["test/a.json"]),
        (["a_dev.csv", "a_train.csv"], "validation", ["a_dev.csv"]),
        (["my_split.json", "other.json"], "my_split", ["my_split.json"]),
        (
            ["data/train_prefs-0-of-1.parquet", "data/train_sft-0-of-1.parquet"],
            "train_prefs",
            ["data/train_prefs-0-of-1.parquet"],
        ),
        (["pairs.jsonl", "README.md"], "train", ["pairs.jsonl"]),
        (["a.jsonl", "b.jsonl"], "train", ["a.jsonl", "b.jsonl"]),
        (["test.jsonl"], "train", []),
        (["pairs.jsonl"], "test", []),
        (["restraining.jsonl", "test.jsonl"], "train", []),
        (["notes.txt", "weights.bin"], "train", []),
    ],
)
def test_files_are_chosen_by_the_usual_conventions(
    names: list[str], split: str, selected: list[str]
) -> None:
    """Exact stem first, then a word of the path, then everything when there are no splits."""
    assert select(names, split) == tuple(selected)


@pytest.mark.parametrize(
    ("split", "selected"),
    [
        ("train_prefs", ["data/train_prefs-0.parquet"]),
        ("test", ["extra.csv", "more/x/y/b-1.json"]),
        ("train", ["train.json"]),
    ],
)
def test_the_card_decides_where_it_speaks(split: str, selected: list[str]) -> None:
    """A split that the card does not list is still found by name."""
    names = ["data/train_prefs-0.parquet", "extra.csv", "more/x/y/b-1.json", "train.json"]

    assert select(names, split, CARD) == tuple(selected)


def test_a_split_of_the_card_is_no_part_of_another() -> None:
    """Where a card knows train_prefs, asking for train is not answered with a mixture."""
    names = ["data/train_prefs-0.parquet", "data/test-0.parquet"]

    assert select(names, "train", CARD) == ()
    assert select(names, "train") == ("data/train_prefs-0.parquet",)


@pytest.mark.parametrize("card", ["", "---\n{", "---\nconfigs: 3\n---", "---\nconfigs: [1]\n---"])
def test_a_card_that_cannot_be_read_changes_nothing(card: str) -> None:
    """Cards are written by people; a broken one is no reason to end a run."""
    assert select(["train.json"], "train", card) == ("train.json",)


@pytest.mark.parametrize(
    "header",
    [
        "[1, 2]",
        "configs: {a: 1}",
        "configs: [a]",
        "configs: []",
        "configs: [{config_name: x}]",
        "configs: [{config_name: x, data_files: a.jsonl}]",
        "configs: [{config_name: x, data_files: [a.jsonl, {split: 1}, {path: a}]}]",
        "configs: [{data_files: [{split: train, path: 3}]}]",
        "a: [",
    ],
)
def test_a_card_that_says_nothing_of_splits_is_passed_over(header: str) -> None:
    """The names of the files say it then."""
    names = ["train.jsonl", "test.jsonl"]
    assert select(names, "train", f"---\n{header}\n---\n") == ("train.jsonl",)


def test_a_card_without_an_end_of_its_header_is_passed_over() -> None:
    """As one without any header is."""
    for card in ("---", "# A set"):
        assert select(["train.jsonl"], "train", card) == ("train.jsonl",)


def test_files_under_no_name_of_a_split_are_no_other_split() -> None:
    """Only train takes all of them."""
    assert select(["a.jsonl", "b.jsonl"], "more") == ()


@pytest.mark.parametrize(
    "name", ["dataset_info.json", "x/dataset_infos.json", "state.json", "dataset_dict.json"]
)
def test_descriptions_are_no_data(name: str) -> None:
    """The library `datasets` writes them beside the data."""
    assert select([name, "a.jsonl"], "train") == ("a.jsonl",)


class CardSource:
    """A data set of the hub: its card says which files make a split."""

    commit = "0" * 40
    is_single_file = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def files(self) -> tuple[SourceFile, ...]:
        return tuple(SourceFile(path.name, 1, "t") for path in sorted(self._folder.iterdir()))

    def fetch(self, files: Sequence[SourceFile]) -> Path:
        assert {file.name for file in files} <= {file.name for file in self.files()}
        return self._folder


def test_the_card_of_a_hub_data_set_is_read_first(tmp_path: Path) -> None:
    """It lists files that no name would give away."""
    header = "configs: [{data_files: [{split: train, path: part-7.jsonl}]}]"
    folder = tmp_path / "set"
    write_rows(folder / "part-7.jsonl", text_rows(5))
    write_rows(folder / "train.jsonl", text_rows(9))
    (folder / "README.md").write_text(f"---\n{header}\n---\n")

    loaded = load(CardSource(folder), run_spec(tmp_path).spec, tmp_path / "scratch")

    assert loaded.tally.rows == 5
