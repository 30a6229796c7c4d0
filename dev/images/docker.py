"""Builds with a Docker engine, on the public base image; its own cache saves the work."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cluster.report import Heartbeat, say
from images.catalogue import REPOSITORY, Recipe
from images.commands import run_logged
from images.keys import Keys

_PUBLIC_BASE = "public"


def reference(recipe: Recipe) -> str:
    """The image's name with the tag that its inputs decide."""
    return f"{recipe.repository}:{Keys.of(recipe, _PUBLIC_BASE).tag}"


def build(recipe: Recipe, log: Path) -> str:
    """Build an image unless the engine has it; its name with the tag.

    Raises:
        BuildError: the log's end is in the message.
    """
    name = reference(recipe)
    if has(name):
        say(f"{name} is built already")
        return name
    heartbeat = Heartbeat(f"building {name}")
    command = ["docker", "build", "--progress=plain", "--target", recipe.name, "--tag", name]
    run_logged(
        [*command, "--file", recipe.dockerfile, "."],
        log,
        heartbeat,
        {"DOCKER_BUILDKIT": "1"},
        folder=REPOSITORY,
    )
    say(f"built {name} in {heartbeat.seconds():.0f} s")
    return name


def has(name: str) -> bool:
    """Whether the engine has an image."""
    asked = ["docker", "image", "inspect", name]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def save(name: str, archive: Path, log: Path) -> None:
    """Write an image as an OCI archive (Docker 25 or newer).

    Raises:
        BuildError: the engine refused.
    """
    command = ["docker", "save", "--output", str(archive), name]
    run_logged(command, log, Heartbeat(f"saving {name}"))
