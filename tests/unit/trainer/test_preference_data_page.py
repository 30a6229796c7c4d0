"""The examples of the reference page are read as the page says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from preftrain_api.spec import DatasetSpec
from support.trainer_cases import load_data, run_spec

PAGE = (Path(__file__).parents[3] / "docs/reference/preference-data.md").read_text()
BLOCKS = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_has_an_example_of_each_shape() -> None:
    """Files and trained examples take turns; nothing is left over."""
    assert len(BLOCKS) % 2 == 0
    assert len(BLOCKS) >= 2 * len(re.findall(r"^### ", PAGE.split("## What is left out")[0], re.M))


@pytest.mark.parametrize(
    ("rows", "trained"), list(zip(BLOCKS[::2], BLOCKS[1::2], strict=True)), ids=BLOCKS[::2]
)
def test_an_example_is_read_as_shown(tmp_path: Path, rows: str, trained: str) -> None:
    """The first block is a whole file, the second what is trained on."""
    (tmp_path / "data.jsonl").write_text(rows)
    run = run_spec(
        tmp_path,
        dataset={"uri": "file://data.jsonl", "evalFraction": 0},
        method={"type": "KTO" if "label" in trained else "DPO"},
    )

    loaded = load_data(run, tmp_path)

    assert [example.columns() for example in loaded.train] == [json.loads(trained)]


def test_the_filters_shown_are_valid() -> None:
    """They parse as they stand there, each type among them."""
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    raw: dict[str, Any] = yaml.safe_load(text)

    filters = DatasetSpec.parse({"uri": "hf://some/set", **raw}).filters or ()

    assert len({rule.type for rule in filters}) == 7
