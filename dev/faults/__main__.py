"""`python -m faults page [--check]` writes the page; `python -m faults run` runs everything."""

from __future__ import annotations

import argparse
import sys

from faults.markers import find_marked
from faults.page import PAGE, ROOT, current, problems
from faults.run import run


def main() -> int:
    """The program; its exit status."""
    parser = argparse.ArgumentParser(prog="faults", description="The page and the full run.")
    commands = parser.add_subparsers(dest="command", required=True)
    page = commands.add_parser("page", help="write docs/reference/failure-modes.md")
    page.add_argument("--check", action="store_true", help="only say whether it is up to date")
    commands.add_parser("run", help="run the operator's fault suite in full and print a table")
    options = parser.parse_args()
    if options.command == "run":
        return run()
    told = list(problems(find_marked(ROOT / "tests")))
    if options.check:
        if not PAGE.exists() or PAGE.read_text() != current():
            told.append(f"{PAGE.relative_to(ROOT)} is out of date; run 'make docs'")
    else:
        PAGE.write_text(current())
    for sentence in told:
        sys.stderr.write(f"faults: {sentence}\n")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
