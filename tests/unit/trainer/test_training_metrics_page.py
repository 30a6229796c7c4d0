"""The reference page of a training pod's metrics tells what the pod exposes."""

import re
from pathlib import Path
from typing import get_args

from preftrain_api.progress import Phase
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.progress.metrics import TrainerMetrics

PAGE = (Path(__file__).parents[3] / "docs/reference/training-metrics.md").read_text()


def test_the_page_has_every_metric_and_no_other() -> None:
    """With its type."""
    exposed = {
        (family.name, family.type)
        for family in TrainerMetrics(ProgressBoard("pod")).registry.collect()
    }
    rows = re.findall(r"^\| (`preftrain_[^|]+) \| (\w+) \|", PAGE, re.M)
    told = {
        (name.removesuffix("_total") if kind == "counter" else name, kind)
        for names, kind in rows
        for name in re.findall(r"`(\w+)`", names)
    }
    assert told == exposed


def test_the_page_has_every_phase() -> None:
    """They are values of a label that queries name."""
    assert all(f"`{phase}`" in PAGE for phase in get_args(Phase))
