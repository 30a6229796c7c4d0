"""Programs are found in the cache by everything that decides them, and by nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster import builder, toolchain
from cluster.builder import program
from cluster.errors import BuildError, ClusterError
from cluster.kubectl import fits
from cluster.locks import file_lock
from cluster.paths import BINARIES
from cluster.programs import PROGRAMS, Program
from cluster.toolchain import parse_version


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "module"
    (folder / "cmd").mkdir(parents=True)
    (folder / "go.mod").write_text("module m\n\ngo 1.26.0\n")
    (folder / "go.sum").write_text("")
    (folder / "cmd" / "main.go").write_text("package main\n\nfunc main() {}\n")
    return folder


def test_the_fingerprint_follows_sums_sources_flags_and_compiler(module: Path) -> None:
    """Each of them changes it; nothing else does."""
    small = Program("small", str(module), "./cmd")
    before = small.fingerprint("go1.26.6")
    assert before == small.fingerprint("go1.26.6")
    assert before != small.fingerprint("go1.26.7")
    assert before != replace(small, ldflags="-X main.a=b").fingerprint("go1.26.6")
    for path in (module / "go.mod", module / "go.sum", module / "cmd" / "main.go"):
        text = path.read_text()
        path.write_text(text + "\n// changed\n")
        assert small.fingerprint("go1.26.6") != before
        path.write_text(text)
    assert small.fingerprint("go1.26.6") == before


@pytest.mark.skipif(toolchain.find_go().path is None, reason="needs Go, which is not fetched here")
class TestBuild:
    @pytest.fixture(autouse=True)
    def _cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(builder, "cache_dir", lambda: tmp_path)

    @pytest.mark.slow
    def test_a_program_is_built_once(self, module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The second call finds it, with the names it is started under beside it."""
        small = Program("small", str(module), "./cmd", links=("other",))
        monkeypatch.setitem(PROGRAMS, "small", small)
        path = program("other")
        assert path.resolve().name == "small"
        built = path.stat().st_mtime_ns
        assert program("other").stat().st_mtime_ns == built

    @pytest.mark.slow
    def test_a_failed_build_shows_the_compilers_words_and_leaves_nothing(
        self, module: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """The message names the program and quotes the compiler."""
        (module / "cmd" / "main.go").write_text("package main\n\nfunc main() { missing() }\n")
        monkeypatch.setitem(PROGRAMS, "small", Program("small", str(module), "./cmd"))
        with pytest.raises(BuildError, match=r"small could not be built(?s:.*)undefined: missing"):
            program("small")
        assert builder.cached_program("small") is None
        left = [path.name for path in (tmp_path / "bin").iterdir()]
        assert left == ["build.lock"]


def test_an_unknown_program_is_named() -> None:
    """The message lists what there is."""
    with pytest.raises(ClusterError, match="no program is called kubeadm; there are controlplane"):
        program("kubeadm")


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27 linux/arm64", (1, 27, 0)),
        ("go version devel", None),
    ],
)
def test_go_versions_are_read(answer: str, version: tuple[int, ...] | None) -> None:
    """A release's numbers are read; a development build has none."""
    assert parse_version(answer) == version


@pytest.mark.parametrize(
    ("version", "accepted"),
    [("v1.36.3", True), ("v1.37.0", True), ("v1.35.1", True), ("v1.34.0", False), ("x", False)],
)
def test_a_kubectl_may_be_one_minor_away(version: str, accepted: bool) -> None:
    """Kubernetes supports a skew of one minor version, no more."""
    assert fits(f'{{"clientVersion": {{"gitVersion": "{version}"}}}}') is accepted


HOLDER = """
import pathlib, sys, time
from cluster.locks import file_lock
from cluster.paths import BINARIES
with file_lock(pathlib.Path(sys.argv[1]), "a test"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "lock")],
        env=os.environ | {"PYTHONPATH": str(BINARIES.parents[1])},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_lock_is_free_again_when_its_holder_is_killed(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    """A crashed build does not block the next one."""
    holder.kill()
    with file_lock(tmp_path / "lock", "a test") as held:
        assert held


@pytest.mark.usefixtures("holder")
def test_a_waiter_goes_on_when_the_holder_has_made_what_it_wants(tmp_path: Path) -> None:
    """Whoever waits for one program does not wait for the builds that follow it."""
    with file_lock(tmp_path / "lock", "a test", unless=lambda: True) as held:
        assert not held
