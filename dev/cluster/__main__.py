"""The command line of the local cluster: `python -m cluster COMMAND`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cluster.api import Api
from cluster.builder import build_in_background, program
from cluster.errors import ClusterError
from cluster.gpu import set_fake_gpus
from cluster.programs import PROGRAMS
from cluster.report import Heartbeat, say
from cluster.session import BACKENDS, end_cluster, find_cluster, load_image, start_cluster


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; failures end with one sentence and status 1."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except (ClusterError, OSError) as error:
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

    up = commands.add_parser("up", help="start the cluster, or what of it does not run")
    up.add_argument("--backend", choices=BACKENDS, help="by default kind where Docker answers")
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="end the cluster and leave nothing behind")
    down.add_argument("--purge", action="store_true", help="delete the cached images too")
    down.set_defaults(run=lambda arguments: end_cluster(purge=arguments.purge))
    commands.add_parser("status", help="say what runs").set_defaults(run=_status)

    load = commands.add_parser("load", help="bring an image onto the node")
    load.add_argument("path", type=Path, help="an OCI layout: a folder or a tar archive")
    load.add_argument("--name", help="what to call it; by default the name that it carries")
    load.set_defaults(run=lambda arguments: print(load_image(arguments.path, arguments.name)))
    gpu = commands.add_parser("fake-gpu", help="give the node GPUs that are not there")
    gpu.add_argument("count", type=int)
    gpu.set_defaults(run=_fake_gpu)
    return parser


def _binaries(arguments: argparse.Namespace) -> None:
    if arguments.background:
        build_in_background(arguments.names)
        return
    for name in arguments.names:
        print(program(name))


def _up(arguments: argparse.Namespace) -> None:
    heartbeat = Heartbeat("the cluster")
    cluster = start_cluster(arguments.backend)
    say(f"the cluster is up after {heartbeat.seconds():.0f} s; its kubeconfig:")
    print(cluster.kubeconfig)


def _status(_: argparse.Namespace) -> None:
    parts = find_cluster().status()
    for part, is_well in parts.items():
        print(f"{part:<26}{'ok' if is_well else 'DOWN'}")
    if not all(parts.values()):
        raise ClusterError("the cluster is not up; `make cluster-up` starts what is missing")
    print(f"{'kubeconfig':<26}{find_cluster().kubeconfig}")


def _fake_gpu(arguments: argparse.Namespace) -> None:
    cluster = find_cluster()
    set_fake_gpus(Api(cluster.kubeconfig), cluster.node_name, arguments.count)


if __name__ == "__main__":
    sys.exit(main())
