"""`make demo`: from nothing to an aligned model on one machine, and the way back.

`python -m demo up` starts what does not run yet, trains, and judges what came out; a second
call reuses everything but the training. `python -m demo down` ends all of it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cluster.errors import ClusterError
from cluster.kubectl import kubectl
from cluster.report import say
from cluster.session import end_cluster, start_cluster
from demo.curves import CurvesError
from demo.install import NAMESPACE, REPOSITORY, Kubectl, demo_objects, install_operator
from demo.job import apply, read_job, remove
from demo.model import ModelError
from demo.published import PublishedError
from demo.stack import Stack, end_servers
from demo.watch import follow

EXAMPLE = REPOSITORY / "examples" / "demo-smollm2.yaml"
TRAINING_TIMEOUT_SECONDS = 1800.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; failures end with one sentence and status 1."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="set everything up, train, report")
    up.add_argument("--job", type=Path, default=EXAMPLE, help="another manifest to apply")
    up.add_argument("--picture", type=Path, help="also write the curves as .png or .svg")
    commands.add_parser("down", help="end everything that 'up' started")
    options = parser.parse_args(argv)
    try:
        if options.command == "down":
            return down()
        return run(options.job, options.picture)
    except (ClusterError, ModelError, PublishedError, CurvesError) as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; 'make demo' goes on from here, 'make demo-down' ends everything")
        return 130


def run(job: Path, picture: Path | None = None) -> int:
    """The whole demo; returns 0 when the job succeeded and its evidence is good enough."""
    from demo import report
    from images.build import build_images

    began = time.monotonic()
    say("[1/6] cluster")
    cluster = start_cluster()
    say("[2/6] images")
    images = build_images(load=cluster.load)
    say("[3/6] S3 server, Prometheus, base model and pairs")
    manifest, kube = read_job(job), Kubectl(cluster.kubeconfig)
    name = manifest["metadata"]["name"]
    remove(kube, name)
    stack = Stack.of(cluster)
    stack.start()
    base = stack.fill()
    say("[4/6] operator")
    install_operator(cluster.kubeconfig, images)
    kube.apply(demo_objects(cluster.host_address, stack.s3.port, stack.secret))
    say(f"[5/6] kubectl apply -f {job.name} (ready after {time.monotonic() - began:.0f} s)")
    if apply(kube, manifest):
        say("a node has a GPU: the job runs on it, with 4-bit weights")
    ended = follow(kube, NAMESPACE, name, TRAINING_TIMEOUT_SECONDS, stack.prometheus.watch)
    say(f"{name}: {ended.summary}")
    if not ended.succeeded:
        say("The demo has failed: the job did not succeed.")
        print_next_steps(cluster.kubeconfig, name)
        return 1
    say("[6/6] what the model has learnt")
    stack.lend_credentials()
    judged = report.main(
        [
            *("--run", ended.status["artifact"]["uri"], "--endpoint", stack.s3.endpoint),
            *("--base", str(base), "--prometheus", stack.prometheus.url),
            *(("--picture", str(picture)) if picture else ()),
        ]
    )
    say(f"demo: {time.monotonic() - began:.0f} s in all")
    print_next_steps(cluster.kubeconfig, name)
    return judged


def print_next_steps(kubeconfig: Path, name: str) -> None:
    """What to look at next."""
    used = kubectl()
    # A kubectl that was built here is not on PATH.
    path = "" if shutil.which("kubectl") == str(used) else f"  export PATH={used.parent}:$PATH\n"
    print(
        f"\nLook around:\n"
        f"{path}"
        f"  export KUBECONFIG={kubeconfig}\n"
        f"  kubectl get ptj -n {NAMESPACE} -o wide\n"
        f"  kubectl describe ptj {name} -n {NAMESPACE}\n"
        f"  kubectl logs -n {NAMESPACE} -l preftrain.dev/job={name},preftrain.dev/stage=train\n"
        f"Clean up: make demo-down"
    )


def down() -> int:
    """End the S3 server, Prometheus and the cluster; what was built stays cached."""
    end_servers()
    end_cluster()
    return 0


if __name__ == "__main__":
    sys.exit(main())
