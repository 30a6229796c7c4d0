"""Every fault at every request of a publication, before two servers; `make test-faults-storage`.

Writes what it saw into docs/explanation/publishing.md. Takes minutes, so `make test` leaves it
out and tries the hardest ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from support.fault_proxy import Fault
from support.s3_worlds import S3World
from support.storage_faults import FAULTS, Outcome, disturb

pytestmark = pytest.mark.integration

PAGE: Final = Path(__file__).parents[2] / "docs/explanation/publishing.md"
DURATIONS: Final = {"once": 1, "from then on": None}
HEAD: Final = (
    "| fault | lasts | server | requests hit | published | ended with 69 | ended with 75 |",
    "|---|---|---|---|---|---|---|",
)
BEGIN: Final = "<!-- faults -->"
END: Final = "<!-- end of faults -->"
Rows = dict[tuple[str, str, str], str]


@pytest.fixture(scope="module")
def rows() -> Iterator[Rows]:
    """Collects lines of the table, and puts them in the place of those of earlier runs."""
    found: Rows = {}
    yield found
    before, _, rest = PAGE.read_text().partition(BEGIN)
    table, _, after = rest.partition(END)
    for line in table.split("\n")[1 + len(HEAD) : -1]:
        fault, lasts, server, *_ = (cell.strip() for cell in line.strip("|").split("|"))
        found.setdefault((fault, lasts, server), line)
    order = {str(fault): number for number, fault in enumerate(FAULTS)}
    lines = [found[key] for key in sorted(found, key=lambda key: (order[key[0]], key[1], key[2]))]
    PAGE.write_text("\n".join([before + BEGIN, *HEAD, *lines, END + after]))


@pytest.mark.parametrize("lasts", DURATIONS)
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_all_or_nothing(
    s3_world: S3World, fault: Fault, lasts: str, tmp_path: Path, rows: Rows
) -> None:
    """A complete publication is visible or none, and the next attempt completes."""
    if fault.kind == "DamageRequest" and s3_world.name == "moto":
        pytest.skip("moto takes a body that contradicts its Content-MD5")
    outcomes = disturb(s3_world, fault, DURATIONS[lasts], tmp_path)

    assert outcomes
    rows[str(fault), lasts, s3_world.name] = _line(fault, lasts, s3_world.name, outcomes)


def _line(fault: Fault, lasts: str, server: str, outcomes: list[Outcome]) -> str:
    codes = Counter(outcome.exit_code for outcome in outcomes)
    cells = (fault, lasts, server, len(outcomes), codes[0], codes[69], codes[75])
    return f"| {' | '.join(map(str, cells))} |"
