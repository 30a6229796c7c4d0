"""The command line of the local cluster: `python -m cluster COMMAND`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from cluster.builder import build_in_background, program
from cluster.errors import ClusterError
from cluster.programs import PROGRAMS
from cluster.report import say


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; failures end with one sentence and status 1."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except ClusterError as error:
        say(f"error: {error}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    binaries = commands.add_parser("binaries", help="build programs and print their paths")
    binaries.add_argument("names", nargs="+", choices=sorted(PROGRAMS))
    binaries.add_argument(
        "--background",
        action="store_true",
        help="return at once; whoever needs a program later waits for it",
    )
    binaries.set_defaults(run=_binaries)
    return parser


def _binaries(arguments: argparse.Namespace) -> None:
    if arguments.background:
        build_in_background(arguments.names)
        return
    for name in arguments.names:
        print(program(name))


if __name__ == "__main__":
    sys.exit(main())
