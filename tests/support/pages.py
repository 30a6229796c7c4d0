"""The documentation as tests see it: pages, their links, anchors and blocks of code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_FENCE: Final = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"`([^`\n]+)`")
LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
"""A link or picture; what it matches is the target."""
_HEADING: Final = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def pages() -> list[Path]:
    """Every page that a reader may open."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(page: Path) -> str:
    """Its path in the repository."""
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return _FENCE.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """Targets of the page's links, as they are written."""
    return LINK.findall(_CODE.sub("", prose(page)))


def anchors(page: Path) -> set[str]:
    """What a link into the page may name: its headings, as GitHub spells them."""
    found: dict[str, int] = {}
    for heading in _HEADING.findall(prose(page)):
        plain = LINK.sub(lambda link: link[0].partition("]")[0][1:], heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found[slug] = found.get(slug, 0) + 1
    return {
        slug if number == 0 else f"{slug}-{number}"
        for slug, count in found.items()
        for number in range(count)
    }


def inline_code(page: Path) -> list[str]:
    """What stands between single backticks."""
    return _CODE.findall(prose(page))


def blocks(page: Path, language: str) -> Iterator[tuple[int, str]]:
    """The page's blocks of code in `language`, with the line in which each begins."""
    text = page.read_text()
    for found in _FENCE.finditer(text):
        if found[2] == language:
            yield text.count("\n", 0, found.start()) + 1, found[3]


def commands(page: Path) -> Iterator[str]:
    """What the page's consoles show after a `$`, continued lines joined, comments cut."""
    for _, text in blocks(page, "console"):
        for line in text.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                yield re.sub(r"\s+#\s.*", "", line[2:]).strip()
