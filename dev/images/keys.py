"""What decides an image, as digests: the same inputs give the same tag on every machine.

Files are read, nothing is started. A part is hashed by what reaches it: the stages that a
target of a Dockerfile stands on, the packages of uv.lock that an extra leads to.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from images.catalogue import REPOSITORY, STEPS, Recipe

Json = dict[str, Any]
_RECIPE_VERSION = 1
"""Raised when this package puts images together in another way."""

_STAGE = re.compile(r"^FROM\s+(\S+)(?:\s+AS\s+(\S+))?\s*$", re.IGNORECASE)
_FROM_STAGE = re.compile(r"(?:--from=|[ ,]from=)([^\s,]+)")


def system_key(recipe: Recipe, base: str) -> str:
    """Digest of what decides the part of an image that Debian brings, and its configuration.

    Args:
        recipe: of the image.
        base: tells the base images apart.
    """
    return _digest(
        _RECIPE_VERSION,
        base,
        stages(recipe.dockerfile_text, recipe.system),
        _file(STEPS / "packages"),
    )


def packages_key(recipe: Recipe) -> str:
    """Digest of what decides /opt/preftrain without the project itself.

    The base does not enter but by the name of its release in the Dockerfile: packages come as
    wheels, so a refreshed base leaves them as they are.
    """
    return _digest(
        _RECIPE_VERSION,
        stages(recipe.dockerfile_text, recipe.packages),
        locked(tomllib.loads((REPOSITORY / "uv.lock").read_text()), recipe.extra),
        _file(STEPS / "dependencies"),
    )


def code_key(recipe: Recipe) -> str:
    """Digest of what decides the layer of the project's own packages."""
    return _digest(
        _RECIPE_VERSION,
        stages(recipe.dockerfile_text, recipe.code),
        {source: tree(REPOSITORY / source) for source in recipe.sources},
        {name: _file(REPOSITORY / name) for name in ("LICENSE", "pyproject.toml")},
        _file(STEPS / "code"),
    )


@dataclass(frozen=True, slots=True)
class Keys:
    """What decides an image, part by part.

    Attributes:
        system: what Debian brings, and the configuration.
        packages: /opt/preftrain without the project itself.
        code: the project's own packages.
    """

    system: str
    packages: str
    code: str

    @classmethod
    def of(cls, recipe: Recipe, base: str) -> Keys:
        """The keys as the files of the repository are now.

        Args:
            recipe: of the image.
            base: tells the base images apart.
        """
        return cls(system_key(recipe, base), packages_key(recipe), code_key(recipe))

    @property
    def tag(self) -> str:
        """The tag of the image that they decide."""
        return _digest(self.system, self.packages, self.code)[:12]


def base_key(suite: str, packages: tuple[str, ...], options: tuple[str, ...]) -> str:
    """Digest of what decides the local base."""
    return _digest(_RECIPE_VERSION, suite, packages, options)


def stages(dockerfile: str, target: str) -> list[str]:
    """The text of a target and of all stages that it stands on, comments left out.

    Raises:
        KeyError: the Dockerfile has no such stage.
    """
    blocks: dict[str, list[str]] = {}
    parents: dict[str, set[str]] = {}
    stage = ""
    for line in dockerfile.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        start = _STAGE.match(line)
        if start is not None:
            stage = start[2] or f"#{len(blocks)}"
            parents[stage] = {start[1]}
        blocks.setdefault(stage, []).append(line)
        parents.setdefault(stage, set()).update(_FROM_STAGE.findall(line))
    wanted: set[str] = set()
    open_ends = {target}
    while open_ends:
        stage = open_ends.pop()
        if stage not in blocks and stage == target:
            raise KeyError(target)
        wanted.add(stage)
        open_ends |= parents.get(stage, set()) - wanted
    # Before the first stage stand the arguments that choose the base.
    return ["\n".join(blocks[name]) for name in blocks if name in wanted or name == ""]


def locked(lock: Json, extra: str) -> list[str]:
    """Every package of the lock that an extra of the project may install, with its hashes.

    Environment markers are not evaluated: a package for another platform counts too, which
    costs a needless build at worst.
    """
    packages: dict[str, list[Json]] = {}
    for package in lock["package"]:
        packages.setdefault(package["name"], []).append(package)
    project = next(name for name, found in packages.items() if _is_project(found[0]))
    wanted: set[tuple[str, str]] = set()
    open_ends = {(project, ""), (project, extra)}
    while open_ends:
        end = open_ends.pop()
        wanted.add(end)
        for package in packages[end[0]]:
            open_ends |= set(_required(package, end[1])) - wanted
    names = sorted({name for name, _ in wanted} - {project})
    return [_fingerprint(package) for name in names for package in packages[name]]


def tree(folder: Path) -> dict[str, str]:
    """Digest of every file below a folder, by path; what Python leaves behind does not count."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): _file(path)
        for path in sorted(files)
        if not any(part == "__pycache__" or part.startswith(".") for part in path.parts)
    }


def _required(package: Json, extra: str) -> Iterator[tuple[str, str]]:
    dependencies = (
        package.get("optional-dependencies", {}).get(extra, [])
        if extra
        else package.get("dependencies", [])
    )
    for dependency in dependencies:
        yield dependency["name"], ""
        for name in dependency.get("extra", ()):
            yield dependency["name"], name


def _fingerprint(package: Json) -> str:
    hashes = sorted(wheel["hash"] for wheel in package.get("wheels", ()))
    return f"{package['name']}=={package.get('version', '')} {' '.join(hashes)}"


def _is_project(package: Json) -> bool:
    source = package.get("source", {})
    return "editable" in source or "virtual" in source


def _file(path: Path) -> str:
    mode = "x" if path.stat().st_mode & 0o100 else "-"
    return mode + hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
