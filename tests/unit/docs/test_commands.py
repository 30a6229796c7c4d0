"""Commands that the documentation shows are commands that exist."""

import argparse
import re
import shlex
from collections.abc import Iterator

import pytest

from preftrain_trainer.__main__ import _parser as preftrain_parser
from support.pages import ROOT, commands, inline_code, name_of, pages

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.M))
VARIABLES = set(re.findall(r"\$[({]([A-Z]+)[)}]", MAKEFILE))


def shown() -> Iterator[tuple[str, str]]:
    """Page and command, from consoles and between backticks."""
    for page in pages():
        for command in (*commands(page), *inline_code(page)):
            yield name_of(page), command


def named(program: str) -> list[tuple[str, list[str]]]:
    """Page and words after `program`, wherever it is shown with something to do."""
    pattern = re.compile(rf"(?:^|&& |\()(?:PYTHONPATH=\S+ )?(?:\S*/)?{program} (.+)$")
    found = [(page, pattern.search(command)) for page, command in shown()]
    return [
        (page, shlex.split(match[1].rstrip(")")))
        for page, match in found
        if match and not set("…|") & set(match[1])
    ]


@pytest.mark.parametrize(("page", "words"), named("make"), ids=str)
def test_make_targets_exist(page: str, words: list[str]) -> None:
    """Every word that is no option, and every variable is one that a rule reads."""
    given = {word.partition("=")[0] for word in words if "=" in word}
    assert given <= VARIABLES
    assert {word for word in words if not word.startswith("-") and "=" not in word} <= TARGETS


@pytest.mark.parametrize(("page", "words"), named("preftrain"), ids=str)
def test_command_lines_of_preftrain_are_taken(
    page: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own parser reads them."""

    class Refused(Exception):
        pass

    def refuse(_: argparse.ArgumentParser, message: str) -> None:
        raise Refused(message)

    monkeypatch.setattr(argparse.ArgumentParser, "error", refuse)
    try:
        preftrain_parser().parse_args(words)
    except Refused as refused:
        # `preftrain run --port`, say, speaks of an option and shows no whole call.
        if not re.search(r"arguments are required|expected one argument", str(refused)):
            raise
