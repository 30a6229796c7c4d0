"""What makes an image be built again, and what does not."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from images.catalogue import RECIPES, REPOSITORY
from images.keys import Keys, locked, stages, tree

DOCKERFILE = """\
# a comment
ARG BASE=debian
FROM ${BASE} AS system
RUN a
FROM system AS tool
RUN tool
FROM system AS heavy
RUN --mount=type=bind,from=tool,source=/x,target=/x \\
    install
FROM system AS light
RUN light
FROM heavy AS whole
COPY --from=light /a /a
"""


def names(blocks: list[str]) -> list[str]:
    return [block.split("\n")[0].rpartition(" ")[2] for block in blocks[1:]]


@pytest.mark.parametrize(
    ("target", "stands_on"),
    [
        ("light", ["system", "light"]),
        ("heavy", ["system", "tool", "heavy"]),
        ("whole", ["system", "tool", "heavy", "light", "whole"]),
    ],
)
def test_a_target_stands_on_what_it_copies_and_mounts(target: str, stands_on: list[str]) -> None:
    """Bases, copied stages and mounted stages count; the rest of the Dockerfile does not."""
    blocks = stages(DOCKERFILE, target)
    assert blocks[0] == "ARG BASE=debian"
    assert names(blocks) == stands_on


def test_comments_and_other_stages_do_not_count() -> None:
    """Only what reaches the target changes its text."""
    edited = DOCKERFILE.replace("# a comment", "# another").replace("RUN light", "RUN dark")
    assert stages(edited, "heavy") == stages(DOCKERFILE, "heavy")
    assert stages(edited, "whole") != stages(DOCKERFILE, "whole")


def test_an_unknown_target_is_an_error() -> None:
    """A typing error in the catalogue is found at once."""
    with pytest.raises(KeyError, match="none"):
        stages(DOCKERFILE, "none")


def lock(**versions: str) -> dict[str, Any]:
    """A lock of project -> a[x] -> b, project[more] -> c."""
    version = {"a": "1", "b": "1", "c": "1", "unused": "1"} | versions
    packages: list[dict[str, Any]] = [
        {
            "name": "project",
            "source": {"editable": "."},
            "dependencies": [{"name": "a", "extra": ["x"]}],
            "optional-dependencies": {"more": [{"name": "c"}, {"name": "project"}]},
        },
        {"name": "a", "optional-dependencies": {"x": [{"name": "b"}], "y": [{"name": "unused"}]}},
        *({"name": name} for name in ("b", "c", "unused")),
    ]
    for package in packages[1:]:
        package["version"] = version[package["name"]]
        package["wheels"] = [{"hash": f"sha256:{package['name']}{package['version']}"}]
    return {"package": packages}


def test_an_extra_leads_to_its_packages_alone() -> None:
    """The project's own dependencies, the extra's, and the extras of those; nothing else."""
    assert [line.split("==")[0] for line in locked(lock(), "more")] == ["a", "b", "c"]
    assert [line.split("==")[0] for line in locked(lock(), "")] == ["a", "b"]


@pytest.mark.parametrize(("package", "changes"), [("b", True), ("c", False), ("unused", False)])
def test_only_a_package_in_use_changes_the_key(package: str, changes: bool) -> None:
    """A new version of a package that the image does not install builds nothing."""
    assert (locked(lock(**{package: "2"}), "") != locked(lock(), "")) is changes


def test_real_lock_separates_the_images() -> None:
    """In this repository, prepare installs no torch and the operator no S3 client."""
    real = tomllib.loads((REPOSITORY / "uv.lock").read_text())
    found = {
        name: {line.split("==")[0] for line in locked(real, recipe.extra)}
        for name, recipe in RECIPES.items()
    }
    assert "torch" in found["trainer"]
    assert "torch" not in found["prepare"] | found["operator"]
    assert "kopf" in found["operator"]
    assert "kopf" not in found["prepare"] | found["trainer"]
    assert "boto3" in found["prepare"] & found["trainer"]


def test_files_of_python_and_tools_do_not_count(tmp_path: Path) -> None:
    """Bytecode and caches come and go without a new image."""
    (tmp_path / "a.py").write_text("1")
    before = tree(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("x")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "x").write_text("x")
    assert tree(tmp_path) == before
    (tmp_path / "a.py").write_text("2")
    assert tree(tmp_path) != before


@pytest.mark.parametrize("name", RECIPES)
def test_base_reaches_the_system_part_only(name: str) -> None:
    """A refreshed base leaves the packages and the code as they are, and makes a new tag."""
    one, other = Keys.of(RECIPES[name], "base 1"), Keys.of(RECIPES[name], "base 2")
    assert one.system != other.system
    assert (one.packages, one.code) == (other.packages, other.code)
    assert one.tag != other.tag


def test_prepare_and_trainer_share_their_code() -> None:
    """Both hold the same packages of the project, built once."""
    assert Keys.of(RECIPES["prepare"], "").code == Keys.of(RECIPES["trainer"], "").code


def test_every_recipe_has_its_stages() -> None:
    """The catalogue and the Dockerfiles name the same targets."""
    for recipe in RECIPES.values():
        for target in (recipe.name, recipe.system, recipe.packages, recipe.code):
            assert stages(recipe.dockerfile_text, target)
        for source in recipe.sources:
            assert (REPOSITORY / source / "__init__.py").exists()
