"""The records of decisions have one form and stand in one index."""

import re
from pathlib import Path

import pytest

from support.pages import ROOT, name_of

FOLDER = ROOT / "docs" / "adr"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
MAX_LINES = 66
"""A page."""


@pytest.mark.parametrize("record", RECORDS, ids=name_of)
def test_a_record_says_context_decision_and_consequences(record: Path) -> None:
    """Under its number, with date and status, in under a page."""
    text = record.read_text()
    lines = text.splitlines()
    assert lines[0].startswith(f"# {record.name[:4]}: ")
    assert re.match(r"20\d\d-\d\d-\d\d, (accepted|superseded by \[\d{4}\])\b.*\.$", lines[2])
    headings = re.findall(r"^## (.+)$", text, re.M)
    known = ["Context", "Decision", "Consequences", "Considered"]
    assert headings in (known, known[:3])
    assert len(lines) <= MAX_LINES


def test_the_index_has_every_record_with_its_title() -> None:
    """In order, and with the date that the record has."""
    rows = re.findall(
        r"^\| \[(\d{4})\]\(([^)]+)\) \| (.+) \| (\S+) \| (.+) \|$",
        (FOLDER / "README.md").read_text(),
        re.M,
    )
    expected = []
    for record in RECORDS:
        title, _, dated = record.read_text().splitlines()[:3]
        date, _, status = dated.partition(", ")
        title = title.removeprefix(f"# {record.name[:4]}: ")
        expected.append((record.name[:4], record.name, title, date, status.split(".")[0]))
    assert rows == expected
