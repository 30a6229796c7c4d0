"""`python -m preftrain_api.crd [--check]`: writes the generated files, or compares them."""

import argparse
import sys
from pathlib import Path

from preftrain_api.crd.definition import render
from preftrain_api.group import PLURAL
from preftrain_api.reference import pages

_REPOSITORY = Path(__file__).parents[3]


def generated_files() -> dict[str, str]:
    """Text of every generated file by its path in the repository."""
    definition = render()
    return {
        f"crds/{PLURAL}.yaml": definition,
        # Helm can only template files below the chart.
        f"charts/preftrain/files/{PLURAL}.yaml": definition,
        **pages(),
    }


def main(argv: list[str] | None = None) -> int:
    """Write or check the files; 1 when a check found a difference."""
    parser = argparse.ArgumentParser(prog="python -m preftrain_api.crd", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("--root", type=Path, default=_REPOSITORY, help="the repository")
    options = parser.parse_args(argv)
    files = generated_files()
    stale = [
        name
        for name, text in files.items()
        if not (options.root / name).exists() or (options.root / name).read_text() != text
    ]
    if options.check:
        for name in stale:
            sys.stderr.write(f"{name} does not match the models; run `make crd`\n")
        return 1 if stale else 0
    for name in stale:
        path = options.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[name])
    return 0


if __name__ == "__main__":
    sys.exit(main())
