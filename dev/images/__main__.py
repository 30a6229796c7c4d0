"""The command line of the images: `python -m images COMMAND`."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence

from cluster.errors import ClusterError
from cluster.report import say
from cluster.session import load_image
from images.build import build_images
from images.catalogue import RECIPES
from images.store import Store


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; failures end with one sentence and status 1."""
    parser = argparse.ArgumentParser(prog="images", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build images and print their names")
    build.add_argument("names", nargs="*", metavar="IMAGE", help=f"of {', '.join(RECIPES)}")
    build.add_argument("--engine", choices=("docker", "buildah"))
    build.add_argument("--load", action="store_true", help="bring them onto the local cluster")
    commands.add_parser("clean", help="delete everything that was built with buildah")
    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "clean":
            clean()
            return 0
        unknown = set(arguments.names) - set(RECIPES)
        if unknown:
            parser.error(f"no image is called {unknown.pop()}; there are {', '.join(RECIPES)}")
        load = load_image if arguments.load else None
        built = build_images(arguments.names or tuple(RECIPES), load, engine=arguments.engine)
    except ClusterError as error:
        say(f"error: {error}")
        return 1
    print(*built.values(), sep="\n")
    return 0


def clean() -> None:
    """Delete the store; the next build starts from nothing."""
    store = Store()
    with store.lock():
        for entry in store.root.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)


if __name__ == "__main__":
    sys.exit(main())
