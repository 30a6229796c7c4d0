"""Links of the documentation lead somewhere, and every page is found from the first one."""

from pathlib import Path

import pytest

from support.pages import LINK, ROOT, anchors, inline_code, links, name_of, pages

FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}


def local_links(page: Path) -> list[tuple[str, Path, str]]:
    """Link, page and anchor, of those that stay in the repository."""
    found = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        if "://" not in link:
            found.append((link, (page.parent / path).resolve() if path else page, anchor))
    return found


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_hold(page: Path) -> None:
    """Files are there, and headings are called so."""
    broken = [
        link
        for link, target, anchor in local_links(page)
        if not target.exists()
        or not target.is_relative_to(ROOT)
        or (anchor and anchor not in anchors(target))
    ]
    assert not broken


def test_every_page_is_found_from_the_readme() -> None:
    """A page that nobody links to is not read."""
    found, left = {ROOT / "README.md"}, [ROOT / "README.md"]
    while left:
        for _, target, _ in local_links(left.pop()):
            if target.suffix == ".md" and target not in found:
                found.add(target)
                left.append(target)
    assert [name_of(page) for page in pages() if page not in found] == []


def test_no_two_rows_of_the_readme_lead_to_one_page() -> None:
    """Two names for one page make a reader open it twice."""
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if line[:1] == "|"]
    targets = LINK.findall("\n".join(rows))
    assert sorted(targets) == sorted(set(targets))


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_paths_that_are_mentioned_exist(page: Path) -> None:
    """Code is moved more often than pages that speak of it."""
    missing = [
        words
        for words in inline_code(page)
        if (path := words.split()[0].rstrip("/")).partition("/")[0] in FOLDERS
        and "/" in words
        and not set("<>*{}…") & set(path)
        and not (ROOT / path).exists()
    ]
    assert not missing
