"""The run of the tests in which every number must be shown."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from faults.page import LISTS, ROOT
from support.shown_numbers import OTHERS

HEAD = """\
import pytest

@pytest.mark.parametrize("number", [1])
{markers}
def test_all(number): ...
"""
SKIPPED = """
@pytest.mark.fault(17)
def test_seventeen():
    pytest.skip("not here")
"""


def run(folder: Path, tests: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a file of tests with the plugin alone."""
    (folder / "test_some.py").write_text(tests)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n fault\n case\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "support.shown_numbers", "test_some.py"]
    path = os.pathsep.join(str(ROOT / part) for part in ("operator", "dev", "tests"))
    given = {key: value for key, value in os.environ.items() if key not in OTHERS}
    environment = {**given, "PYTHONPATH": path}
    return subprocess.run(
        [*command, *options],
        cwd=folder,
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )


def marked(**left_out: int) -> str:
    """A test with all numbers but some."""
    markers = [
        f"@pytest.mark.{kind}({entry.number})"
        for kind, entries in LISTS.items()
        for entry in entries
        if left_out.get(kind) != entry.number
    ]
    return HEAD.format(markers="\n".join(markers))


@pytest.mark.parametrize("options", [[], ["-n", "1"]], ids=["here", "elsewhere"])
def test_a_number_whose_only_test_is_skipped_fails_the_run(
    tmp_path: Path, options: list[str]
) -> None:
    """Though the marker is there, and every test that ran has passed."""
    done = run(tmp_path, marked(fault=17) + SKIPPED, "--every-number", *options)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "no test that passed is marked fault(17): Credentials expire" in done.stdout
    assert "fault(16)" not in done.stdout


def test_a_run_that_shows_every_number_passes(tmp_path: Path) -> None:
    """And so does one of which it is not asked."""
    assert run(tmp_path, marked(), "--every-number").returncode == 0
    assert run(tmp_path, marked(case=30)).returncode == 0
