"""Supervises processes that outlive their starter, by pid files that cannot lie.

A pid file holds the process's own line of /proc/PID/stat and the boot's id, written by the
process itself before it becomes the program. So a process is ended only if it is the one
that was started here, even after a crash, a reboot or the reuse of its number.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from cluster.errors import StartError
from cluster.report import Heartbeat

_POLL_SECONDS = 0.05
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# "Dies with its parent" means the parent's thread to the kernel: this one lives as long
# as the process, the caller's may be a short-lived worker.
_SPAWNER = ThreadPoolExecutor(1, thread_name_prefix="spawner")
# The shell writes its own identity and then becomes the program (same pid, same start
# time): a starter that is killed in between leaves no process without a pid file.
_LAUNCHER = """
read -r stat < /proc/$$/stat && read -r boot < /proc/sys/kernel/random/boot_id &&
printf '%s\\n%s\\n' "$boot" "$stat" > "$0.new" && mv "$0.new" "$0" && exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one process from every other that ever ran on this machine.

    Attributes:
        pid: process number.
        start_ticks: field 22 of /proc/PID/stat, clock ticks since boot.
        boot_id: the kernel's id of this boot.
    """

    pid: int
    start_ticks: int
    boot_id: str

    def is_running(self) -> bool:
        """Whether this very process still runs; one that only waits to be reaped does not."""
        stat = read_stat(self.pid)
        return (
            stat is not None
            and stat.start_ticks == self.start_ticks
            and stat.state not in "ZX"
            and self.boot_id == _boot_id()
        )


@dataclass(frozen=True, slots=True)
class Stat:
    """The parts of a line of /proc/PID/stat that are used here."""

    pid: int
    state: str
    start_ticks: int


def parse_stat(line: str) -> Stat:
    """Read a line of /proc/PID/stat; the command in it may hold blanks and brackets."""
    before, _, after = line.rpartition(")")
    fields = after.split()
    return Stat(int(before.split(" ", 1)[0]), fields[0], int(fields[19]))


def read_stat(pid: int) -> Stat | None:
    """The process's line of /proc, or None when there is no such process."""
    try:
        return parse_stat(Path(f"/proc/{pid}/stat").read_text(errors="replace"))
    except (FileNotFoundError, ProcessLookupError):
        return None


@dataclass(frozen=True, slots=True)
class Service:
    """A program that is kept running in the background.

    Attributes:
        name: names its pid file and its log.
        folder: where these two lie.
        argv: the command; argv[0] is a path.
        env: added to this process's environment.
        dies_with_starter: end it, by SIGKILL, when the process that started it ends; for
            tests, where a killed run must not leave servers behind.
    """

    name: str
    folder: Path
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    dies_with_starter: bool = False

    @property
    def pid_file(self) -> Path:
        """The file that holds the identity of the running process."""
        return self.folder / f"{self.name}.pid"

    @property
    def log(self) -> Path:
        """The file that takes standard output and standard error."""
        return self.folder / f"{self.name}.log"

    @property
    def command_file(self) -> Path:
        """The file that holds the command it was started with."""
        return self.folder / f"{self.name}.command"


def identity(pid_file: Path) -> Identity | None:
    """What a pid file says, or None when it is missing or was cut off while written."""
    try:
        boot_id, line = pid_file.read_text().splitlines()
        stat = parse_stat(line)
    except (FileNotFoundError, ValueError, IndexError):
        return None
    return Identity(stat.pid, stat.start_ticks, boot_id)


def running(service: Service) -> Identity | None:
    """The identity of the service's process while it runs."""
    found = identity(service.pid_file)
    return found if found is not None and found.is_running() else None


def start(service: Service) -> bool:
    """Start the service unless it runs already with the same command.

    One that runs with another command is stopped first.

    Returns:
        Whether a process was started.
    """
    command = "\n".join(service.argv)
    if running(service) is not None:
        if service.command_file.exists() and service.command_file.read_text() == command:
            return False
        stop(service)
    service.folder.mkdir(parents=True, exist_ok=True)
    service.pid_file.unlink(missing_ok=True)
    service.command_file.write_text(command)
    leash = _leash() if service.dies_with_starter else []
    argv = ["/bin/sh", "-c", _LAUNCHER, str(service.pid_file), *leash, *service.argv]
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    spawned = _SPAWNER.submit(
        os.posix_spawn,
        argv[0],
        argv,
        os.environ | dict(service.env),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(service.log), flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    pid = spawned.result()
    _wait_for(lambda: identity(service.pid_file) is not None or _reap(pid), 10)
    return True


def stop(service: Service, grace_seconds: float = 10.0) -> bool:
    """End the service: SIGTERM, then SIGKILL once the grace is over.

    A process that is paused is ended too. A pid file that names a foreign process, or none,
    is only removed.

    Returns:
        Whether a process was ended.
    """
    found = running(service)
    if found is not None:
        _end(found, grace_seconds)
    elif (left := identity(service.pid_file)) is not None:
        _reap(left.pid)
    service.pid_file.unlink(missing_ok=True)
    return found is not None


def kill(service: Service) -> None:
    """End the service at once by SIGKILL, as a crash would."""
    found = running(service)
    if found is not None:
        _end(found, 0)


def pause(service: Service) -> None:
    """Freeze the service (SIGSTOP): it keeps its sockets and, on return, answers nothing."""
    send(service, signal.SIGSTOP)
    found = running(service)
    if found is not None:
        _wait_for(lambda: (stat := read_stat(found.pid)) is None or stat.state == "T", 10)


def resume(service: Service) -> None:
    """Let a paused service go on (SIGCONT)."""
    send(service, signal.SIGCONT)


def send(service: Service, number: signal.Signals) -> None:
    """Send a signal to the service's process, if it runs."""
    found = running(service)
    if found is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(found.pid, number)


def wait_ready(
    service: Service, ready: Callable[[], bool], timeout_seconds: float, poll_seconds: float = 0.1
) -> None:
    """Wait until the service answers, with a line of progress every few seconds.

    Raises:
        StartError: it ended, or was not ready in time; the message ends with its log.
    """
    waiting = Heartbeat(f"waiting for {service.name}")
    while not ready():
        if running(service) is None:
            raise StartError(f"{service.name} ended instead of becoming ready", service.log)
        if waiting.seconds() > timeout_seconds:
            raise StartError(
                f"{service.name} was not ready after {timeout_seconds:.0f} s", service.log
            )
        waiting.beat()
        time.sleep(poll_seconds)


def _leash() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv is not None else []


def _end(found: Identity, grace_seconds: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        if grace_seconds > 0:
            os.kill(found.pid, signal.SIGTERM)
            os.kill(found.pid, signal.SIGCONT)
            if _wait_for(lambda: _gone(found), grace_seconds):
                return
        os.kill(found.pid, signal.SIGKILL)
        _wait_for(lambda: _gone(found), 10)


def _gone(found: Identity) -> bool:
    _reap(found.pid)
    return not found.is_running()


def _reap(pid: int) -> bool:
    """Collect an ended child, so that it does not linger; others have their own parent."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False


def _wait_for(condition: Callable[[], bool], timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _boot_id() -> str:
    return _BOOT_ID.read_text().strip()
