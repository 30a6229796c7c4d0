"""What the Dockerfiles promise to users, and what the local builder relies on."""

from __future__ import annotations

import re

import pytest

from images.catalogue import RECIPES, REPOSITORY, Recipe
from images.keys import stages

recipes = pytest.mark.parametrize("recipe", RECIPES.values(), ids=str)


def instructions(recipe: Recipe, target: str) -> list[str]:
    """The instructions of one stage alone, each on one line."""
    block = stages(recipe.dockerfile_text, target)[-1]
    return re.sub(r"\s*\\\n\s*", " ", block).split("\n")[1:]


@recipes
def test_base_is_a_public_debian(recipe: Recipe) -> None:
    """The default base is Debian's; no other image is fetched."""
    text = recipe.dockerfile_text
    assert "ARG BASE=debian:bookworm-slim\n" in text
    bases = set(re.findall(r"^FROM (\S+)", text, re.MULTILINE))
    own = set(re.findall(r"^FROM \S+ AS (\S+)", text, re.MULTILINE))
    assert bases - own == {"${BASE}", "${BUILD_BASE}", "scratch"}


@recipes
def test_packages_stage_writes_below_opt_alone(recipe: Recipe) -> None:
    """It is one step, the one that fills /opt/preftrain: the local builder mounts /opt."""
    argument, step = instructions(recipe, recipe.packages)
    assert argument.startswith("ARG UV_CACHE_DIR=")
    assert step.startswith("RUN --mount=")
    assert step.endswith(f" /steps/dependencies {recipe.extra}")


@recipes
def test_image_is_its_parts_joined(recipe: Recipe) -> None:
    """The last stage adds layers and no configuration, so joining the parts gives the same."""
    assert instructions(recipe, recipe.name) == [
        f"COPY --from={recipe.packages} /opt/preftrain /opt/preftrain",
        f"COPY --from={recipe.code} / /",
    ]


@recipes
def test_image_runs_as_nobody_in_particular(recipe: Recipe) -> None:
    """A numeric user, so that Kubernetes can see that it is not root, with a name to ask for.

    kopf and torch end with a KeyError where the user ID has no name.
    """
    whole = "\n".join(stages(recipe.dockerfile_text, recipe.system))
    assert re.findall(r"^USER (\S+)", whole, re.MULTILINE)[-1] == "65532:65532"
    assert {"USER=preftrain", "LOGNAME=preftrain"} <= set(whole.split())


def test_trainer_keeps_its_caches_on_the_volume() -> None:
    """What libraries write by themselves goes below /cache; the root is read-only."""
    whole = "\n".join(stages(RECIPES["trainer"].dockerfile_text, "trainer-system"))
    folders = dict(re.findall(r"(\w*(?:HOME|DIR|_PATH|_LOCATION))=(\S+)", whole))
    assert folders.pop("PREFTRAIN_WORK_DIR") == "/work"
    assert len(folders) >= 10
    assert all(folder.startswith("/cache") for folder in folders.values()), folders


def test_build_context_is_what_the_images_need() -> None:
    """Nothing reaches the builder but what is named: no data, no keys, no history."""
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    sources = {source for recipe in RECIPES.values() for source in recipe.sources}
    assert allowed == {"LICENSE", "pyproject.toml", "uv.lock", "dev/images/steps", *sources}
