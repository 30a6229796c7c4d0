"""Chooses how the cluster runs and remembers it: what commands, tests and the demo call."""

from __future__ import annotations

from pathlib import Path

from cluster.backend import Backend
from cluster.errors import ClusterError
from cluster.kind import KindCluster, docker_answers
from cluster.local import LocalCluster
from cluster.locks import file_lock
from cluster.paths import cache_dir
from cluster.place import Place
from cluster.report import say

KIND = "kind"
LOCAL = "local"
BACKENDS = (KIND, LOCAL)


def start_cluster(backend: str | None = None) -> Backend:
    """Start the cluster, or what of it does not run.

    Args:
        backend: `kind` or `local`; by default the one that runs already, else kind where a
            Docker engine answers.

    Raises:
        ClusterError: a cluster of the other kind runs, or it could not be started.
    """
    place = Place.of_user()
    with file_lock(cache_dir() / "cluster.lock", "with the cluster"):
        chosen = _noted(place)
        if chosen is None:
            chosen = backend or (KIND if docker_answers() else LOCAL)
        elif backend not in (None, chosen):
            raise ClusterError(f"a cluster of the kind {chosen} runs; end it by `cluster down`")
        cluster = _make(chosen, place)
        cluster.up()
    return cluster


def end_cluster(*, purge: bool = False) -> None:
    """End the cluster and leave nothing behind; a no-op where there is none."""
    with file_lock(cache_dir() / "cluster.lock", "with the cluster"):
        find_cluster().down(purge=purge)
    say("the cluster is down; nothing of it is left")


def find_cluster() -> Backend:
    """The cluster that was started, or the local one where none was."""
    place = Place.of_user()
    return _make(_noted(place) or LOCAL, place)


def load_image(path: Path, name: str | None = None) -> str:
    """Bring an image onto the node; loading it again is a no-op.

    Args:
        path: an OCI layout, as `buildah push IMAGE oci:FOLDER` writes one, or a tar of one.
        name: what to call it; by default the name that it carries.

    Returns:
        The image's full name, as a pod may use it with `imagePullPolicy: Never`.
    """
    return find_cluster().load(path, name)


def _noted(place: Place) -> str | None:
    if place.record.exists():
        return LOCAL
    return KIND if KindCluster(place).is_noted() else None


def _make(backend: str, place: Place) -> Backend:
    return KindCluster(place) if backend == KIND else LocalCluster(place)
