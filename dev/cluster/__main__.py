"""The command line of the local cluster: `python -m cluster COMMAND`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from cluster.builder import program
from cluster.errors import ClusterError
from cluster.programs import PROGRAMS
from cluster.report import say


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; failures end with one sentence and status 1."""
    parser = argparse.ArgumentParser(prog="cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build programs and print their paths")
    build.add_argument("names", nargs="+", choices=sorted(PROGRAMS))
    arguments = parser.parse_args(argv)
    try:
        for name in arguments.names:
            print(program(name))
    except ClusterError as error:
        say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
