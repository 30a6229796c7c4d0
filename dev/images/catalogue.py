"""The three images: which Dockerfile makes them, from what part of the lock and which code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
STEPS = REPOSITORY / "dev" / "images" / "steps"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one image is made.

    Attributes:
        name: of the image and of its Dockerfile target.
        dockerfile: its path in the repository.
        extra: the extra of pyproject.toml that it installs.
        code: the target that holds the project's own packages and nothing else.
        sources: folders of those packages, in the repository.
        free_gigabytes: what must be free on the disk while it is built.
    """

    name: str
    dockerfile: str
    extra: str
    code: str
    sources: tuple[str, ...]
    free_gigabytes: int

    @property
    def system(self) -> str:
        """The target with what the image needs of Debian, and its configuration."""
        return f"{self.name}-system"

    @property
    def packages(self) -> str:
        """The target with what the project depends on, in /opt/preftrain."""
        return f"{self.name}-packages"

    @property
    def repository(self) -> str:
        """The image's name without its tag."""
        return f"preftrain/{self.name}"

    @property
    def dockerfile_text(self) -> str:
        """Its Dockerfile."""
        return (REPOSITORY / self.dockerfile).read_text()


_CONTRACT = "operator/preftrain_api"
_TRAINER = "trainer-image/Dockerfile"
_TRAINER_SOURCES = (_CONTRACT, "trainer-image/preftrain_trainer")
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="operator",
            dockerfile="operator/Dockerfile",
            extra="operator",
            code="operator-code",
            sources=(_CONTRACT, "operator/preftrain_operator"),
            free_gigabytes=3,
        ),
        Recipe("prepare", _TRAINER, "prepare", "trainer-code", _TRAINER_SOURCES, 3),
        Recipe("trainer", _TRAINER, "trainer", "trainer-code", _TRAINER_SOURCES, 14),
    )
}
"""By name, in the order in which they are built."""
