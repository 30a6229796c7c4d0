"""Builds the images and hands them on: what the command line and the demo call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cluster.kind import docker_answers
from cluster.report import Heartbeat, say
from images import docker
from images.base import LOCAL_BASE_KEY
from images.buildah import Buildah
from images.catalogue import RECIPES, Recipe
from images.keys import Keys
from images.store import Store
from images.tools import BUILDAH_TOOLS, require

Load = Callable[[Path, str], str]
"""Brings an OCI layout, folder or archive, onto a node under a name."""


def build_images(
    names: Sequence[str] = tuple(RECIPES), load: Load | None = None, *, engine: str | None = None
) -> dict[str, str]:
    """Build what is missing and load it where it is wanted.

    Args:
        names: of `images.catalogue.RECIPES`.
        load: called with each image's OCI layout and its name with the tag.
        engine: `docker` or `buildah`; by default Docker where an engine answers.

    Returns:
        The name with the tag of each image, by its short name.

    Raises:
        BuildError: the log's end is in the message.
        ClusterError: loading failed.
    """
    chosen = engine or ("docker" if docker_answers() else "buildah")
    store = Store()
    heartbeat = Heartbeat("images")
    with store.lock():
        log = store.root / "build.log"
        log.write_bytes(b"")
        recipes = [RECIPES[name] for name in names]
        if chosen == "docker":
            built = {recipe.name: _with_docker(recipe, store, log, load) for recipe in recipes}
        else:
            built = _with_buildah(recipes, store, log, load)
    say(f"images ready after {heartbeat.seconds():.0f} s")
    return built


def layout(name: str) -> Path:
    """The OCI layout of an image that buildah has built."""
    return Store().root / "layouts" / name


def _with_buildah(
    recipes: Sequence[Recipe], store: Store, log: Path, load: Load | None
) -> dict[str, str]:
    require(BUILDAH_TOOLS, log)
    builder = Buildah(store, log)
    built = {}
    for recipe in recipes:
        keys = Keys.of(recipe, LOCAL_BASE_KEY)
        reference = f"{recipe.repository}:{keys.tag}"
        folder = store.write_image(recipe.name, reference, builder.parts(recipe, keys))
        built[recipe.name] = reference
        if load is not None:
            load(folder, reference)
    store.prune()
    return built


def _with_docker(recipe: Recipe, store: Store, log: Path, load: Load | None) -> str:
    reference = docker.build(recipe, log)
    if load is not None:
        archive = store.scratch() / "image.tar"
        docker.save(reference, archive, log)
        load(archive, reference)
        archive.unlink()
    return reference
