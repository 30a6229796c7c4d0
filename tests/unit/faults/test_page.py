"""The page of failure modes and the markers it is made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults.markers import find_marked
from faults.page import LISTS, PAGE, ROOT, current, problems
from faults.run import FOLDER, SUITE, Result, read_report, summary

A_TEST = """\
import pytest

@pytest.mark.fault(1, 2)
@pytest.mark.case(3)
def test_shown(): ...

@pytest.mark.skipif(True, reason="today")
@pytest.mark.fault(4)
async def test_not_run(): ...

@pytest.mark.fault(99)
def test_unknown(): ...
"""


def test_every_number_has_a_test_or_a_line() -> None:
    """Each fault and each case is shown by a test that runs, or says why it is not."""
    assert list(problems(find_marked(ROOT / "tests"))) == []


def test_the_page_is_up_to_date() -> None:
    """`make docs` changes nothing."""
    assert PAGE.read_text() == current()


@pytest.mark.parametrize(("kind", "count"), [("fault", 42), ("case", 30)])
def test_the_lists_are_whole(kind: str, count: int) -> None:
    """Numbers without gaps; whoever is in scope says what happens, whoever is not says why."""
    entries = next(found for name, found in LISTS.items() if name == kind)
    assert [entry.number for entry in entries] == list(range(1, count + 1))
    assert all(bool(entry.here) != bool(entry.out_of_scope) for entry in entries)


def test_markers_are_read_and_missing_ones_are_named(tmp_path: Path) -> None:
    """A skipped test shows nothing, and a number that no list has is an error."""
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_some.py").write_text(A_TEST)
    found = find_marked(folder)
    assert [test.name for test in found["fault"][2]] == ["test_shown"]
    assert [test.is_run for test in found["fault"][4]] == [False]
    told = "\n".join(problems(found))
    assert "tests/test_some.py::test_unknown is marked fault(99)" in told
    assert "no test that runs everywhere is marked fault(4)" in told
    assert "marked fault(1):" not in told
    assert "marked case(3):" not in told


def test_the_full_run_names_files_that_are_there() -> None:
    """A renamed file would be left out in silence."""
    assert all((ROOT / FOLDER / f"{name}.py").exists() for name in SUITE)


def test_results_are_summed_up(tmp_path: Path) -> None:
    """One row a test function; what was skipped does not count."""
    report = tmp_path / "report.xml"
    name = "tests.integration.operator.test_outages"
    report.write_text(
        f'<testsuites><testsuite><testcase classname="{name}" name="test_gone[a]" time="1.5"/>'
        f'<testcase classname="{name}" name="test_gone[b]" time="2"><failure/></testcase>'
        f'<testcase classname="{name}" name="test_other" time="2"><skipped/></testcase>'
        "</testsuite></testsuites>"
    )
    results = list(read_report(report))
    assert results[0] == Result("test_outages", "test_gone", True, 1.5)
    assert "| `test_outages` | gone | 2 | 1 | 4 |" in summary(results, 3)
