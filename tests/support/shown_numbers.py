"""With `--every-number` a run of the tests fails that leaves a numbered fault or case without a
test that has passed: one that was skipped while it ran shows nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from faults.page import LISTS

OPTION = "--every-number"
OTHERS = frozenset({"PREFTRAIN_TEST_KUBECONFIG", "KUBEBUILDER_ASSETS"})
"""Variables that give the tests a control plane in which some of them cannot run."""
_Shown = set[tuple[str, object]]
_SHOWN = pytest.StashKey[_Shown]()
_MISSING = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option."""
    parser.addoption(
        OPTION, action="store_true", help="fail when a fault or a case has no test that passed"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Nothing is shown yet."""
    config.stash[_SHOWN] = set()
    config.stash[_MISSING] = []
    config.pluginmanager.register(_Listener(config.stash[_SHOWN]))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let the report of a test carry its numbers, from one process to another, too."""
    item.user_properties += [
        (kind, number) for kind in LISTS for mark in item.iter_markers(kind) for number in mark.args
    ]


class _Listener:
    """Hears of every test that has passed, wherever it ran."""

    def __init__(self, shown: _Shown) -> None:
        self._shown = shown

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self._shown.update((kind, number) for kind, number in report.user_properties)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail what would have passed."""
    config = session.config
    asked = config.getoption(OPTION) and OTHERS.isdisjoint(os.environ)
    if not asked or hasattr(config, "workerinput") or exitstatus:
        return
    config.stash[_MISSING] = list(missing(config.stash[_SHOWN]))
    if config.stash[_MISSING]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say which."""
    for sentence in config.stash[_MISSING]:
        terminalreporter.write_line(sentence, red=True)


def missing(shown: _Shown) -> Iterator[str]:
    """A sentence for each number in scope that no test has shown."""
    for kind, entries in LISTS.items():
        for entry in entries:
            if not entry.out_of_scope and (kind, entry.number) not in shown:
                yield f"no test that passed is marked {kind}({entry.number}): {entry.what}"
