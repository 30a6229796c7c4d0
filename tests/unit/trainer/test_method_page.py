"""The page about methods says what the code does."""

from pathlib import Path

import pytest

from preftrain_trainer.methods.describe import filled_in, main, tables

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "methods.md"


def test_the_page_holds_the_tables_of_the_code() -> None:
    """`make crd` changes nothing."""
    page = PAGE.read_text(encoding="utf-8")
    assert filled_in(page) == page, "run `make crd`"


def test_a_table_replaces_the_one_before() -> None:
    """However often the page is written, the text around the tables stays."""
    marks = "".join(
        f"above\n<!-- {name} -->\nold\n<!-- end of {name} -->\nbelow\n" for name in tables()
    )
    once = filled_in(marks)
    assert "old" not in once
    assert once.count("above\n") == once.count("\nbelow\n") == len(tables())
    assert filled_in(once) == once


def test_the_command_brings_a_page_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place."""
    page = tmp_path / "methods.md"
    page.write_text("".join(f"<!-- {name} -->\n<!-- end of {name} -->\n" for name in tables()))
    monkeypatch.setattr("sys.argv", ["describe", str(page)])
    main()
    assert page.read_text() == filled_in(page.read_text())
    assert "| Sigmoid |" in page.read_text()


def test_constants_stand_in_the_table() -> None:
    """With their values at the default beta."""
    losses = tables()["losses"]
    assert "| IPO | `ipo` |" in losses
    assert "| (1 / (2 beta))² | 25.0000 |" in losses
    assert "| -ln 2 - ln(eps (1 - eps)) / 2 | 2.7612 | read |" in losses
