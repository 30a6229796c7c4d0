"""Builds a program on demand into a cache that is addressed by what decides the result.

A finished program is never rebuilt; two processes that want one build it once; a build
that is interrupted leaves nothing that could be taken for a program.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from cluster.errors import BuildError, ClusterError, tail
from cluster.locks import file_lock
from cluster.paths import BINARIES, cache_dir
from cluster.processes import Service, running, start
from cluster.programs import BUILD_ENVIRONMENT, BUILD_FLAGS, PROGRAMS, Program
from cluster.report import Heartbeat, say
from cluster.toolchain import fetch_go, find_go

_POLL_SECONDS = 0.5


def program(name: str) -> Path:
    """The path of an executable, built now if the cache lacks it.

    Args:
        name: a program of `cluster.programs`, or a name that one is started under.

    Raises:
        BuildError: the compiler's messages are in the text.
        ClusterError: no such program, or no Go.
    """
    wanted = _owner(name)
    folder = cache_dir() / "bin" / wanted.fingerprint(find_go().version)
    built = (folder / wanted.name).exists
    # One lock for all programs: they share packages, which two builds would compile twice.
    with file_lock(cache_dir() / "bin" / "build.lock", "a build", unless=built) as held:
        if held and not built():
            _build(wanted, folder)
    return folder / name


def cached_program(name: str) -> Path | None:
    """The path of an executable if it is built already."""
    wanted = _owner(name)
    folder = cache_dir() / "bin" / wanted.fingerprint(find_go().version)
    return folder / name if (folder / wanted.name).exists() else None


def build_in_background(names: Sequence[str]) -> None:
    """Start building what the cache lacks, and return at once.

    `program` waits for a build in progress, so tests that need no program go first.
    """
    missing = [name for name in names if cached_program(name) is None]
    if not missing:
        return
    command = [sys.executable, "-m", "cluster", "binaries", *missing]
    environment = {"PYTHONPATH": str(BINARIES.parents[1])}
    service = Service("background-build", cache_dir() / "bin", command, environment)
    if running(service) is None and start(service):
        say(f"building {', '.join(missing)} in the background, log in {service.log}")


def _owner(name: str) -> Program:
    for candidate in PROGRAMS.values():
        if name == candidate.name or name in candidate.links:
            return candidate
    raise ClusterError(f"no program is called {name}; there are {', '.join(PROGRAMS)}")


def _build(wanted: Program, folder: Path) -> None:
    go = fetch_go()
    say(f"building {wanted.name} (minutes the first time, then cached in {folder})")
    heartbeat = Heartbeat(f"building {wanted.name}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        _compile(go, wanted, scratch / wanted.name, heartbeat)
        for link in wanted.links:
            (scratch / link).symlink_to(wanted.name)
        scratch.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    size = (folder / wanted.name).stat().st_size
    say(f"built {wanted.name} in {heartbeat.seconds():.0f} s ({size / 1e6:.0f} MB)")


def _compile(go: Path, wanted: Program, output: Path, heartbeat: Heartbeat) -> None:
    command = [str(go), "build", "-v", *BUILD_FLAGS, "-ldflags", wanted.ldflags]
    log = output.with_name("build.log")
    with log.open("w") as sink:
        compiler = subprocess.Popen(
            [*command, "-o", str(output), wanted.package],
            cwd=wanted.folder,
            env=os.environ | BUILD_ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=sink,
        )
        try:
            while compiler.poll() is None:
                heartbeat.beat(f"{_lines(log)} packages downloaded or compiled")
                time.sleep(_POLL_SECONDS)
        finally:
            if compiler.poll() is None:
                compiler.terminate()
                compiler.wait()
    if compiler.returncode != 0:
        raise BuildError(f"{wanted.name} could not be built\n{tail(log, 20)}")


def _lines(log: Path) -> int:
    return log.read_bytes().count(b"\n")
