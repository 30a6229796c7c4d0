"""Supervised processes are told apart from every other process of the machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import processes
from cluster.errors import StartError
from cluster.processes import Identity, Service, parse_stat

SLEEP = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    sleeper = Service("sleeper", tmp_path, SLEEP)
    yield sleeper
    processes.stop(sleeper)


def test_stat_lines_may_hold_blanks_and_brackets_in_the_command() -> None:
    """A command such as `a) S 1 (b` does not shift the fields."""
    fields = " ".join(["S", *(["0"] * 18), "4711", *(["0"] * 30)])
    stat = parse_stat(f"12 (a) S 1 (b) {fields}")
    assert (stat.pid, stat.state, stat.start_ticks) == (12, "S", 4711)


def test_start_is_idempotent_and_records_the_process(service: Service) -> None:
    """A second start is a no-op; the pid file names the process that runs the command."""
    assert processes.start(service)
    first = processes.running(service)
    assert first is not None
    assert not processes.start(service)
    assert processes.running(service) == first
    processes.wait_ready(service, lambda: "up" in service.log.read_text(), 10)
    assert Path(f"/proc/{first.pid}/cmdline").read_bytes().startswith(sys.executable.encode())


def test_another_command_replaces_the_process(service: Service) -> None:
    """Started with another command line, the service is the new one only."""
    processes.start(service)
    before = processes.running(service)
    other = Service(service.name, service.folder, (*SLEEP, "other"))
    assert processes.start(other)
    after = processes.running(other)
    assert before is not None
    assert after is not None
    assert after != before
    assert not before.is_running()


def test_stop_ends_a_paused_process_and_removes_the_pid_file(service: Service) -> None:
    """A frozen process does not survive `stop`."""
    processes.start(service)
    found = processes.running(service)
    assert found is not None
    processes.pause(service)
    assert processes.stop(service, grace_seconds=5)
    assert not found.is_running()
    assert not service.pid_file.exists()


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param({"start_ticks": 1}, id="the number was given to another process"),
        pytest.param({"boot_id": "another-boot"}, id="the machine was rebooted"),
    ],
)
def test_a_foreign_process_is_never_ended(service: Service, foreign: dict[str, int | str]) -> None:
    """A pid file whose number now belongs to another process ends nothing."""
    processes.start(service)
    found = processes.running(service)
    assert found is not None
    boot, line = service.pid_file.read_text().splitlines()
    before, _, after = line.rpartition(")")
    fields = after.split()
    fields[19] = str(foreign.get("start_ticks", fields[19]))
    changed = f"{foreign.get('boot_id', boot)}\n{before}) {' '.join(fields)}\n"
    service.pid_file.write_text(changed)
    try:
        assert processes.running(service) is None
        assert not processes.stop(service)
        assert found.is_running()
    finally:
        service.pid_file.write_text(f"{boot}\n{line}\n")


def test_a_cut_off_pid_file_names_nobody(service: Service) -> None:
    """A pid file that a crash left half-written is treated as missing."""
    service.folder.mkdir(exist_ok=True)
    service.pid_file.write_text("half")
    assert processes.running(service) is None


def test_waiting_for_a_process_that_ended_shows_its_log(tmp_path: Path) -> None:
    """The message holds what the program said last."""
    broken = Service("broken", tmp_path, ("/bin/sh", "-c", "echo no such flag; exit 1"))
    processes.start(broken)
    with pytest.raises(StartError, match=r"broken ended(?s:.*)no such flag"):
        processes.wait_ready(broken, lambda: False, 10)


def test_a_zombie_does_not_count_as_running() -> None:
    """A process that ended, and waits for its parent to notice, runs no more."""
    pid = os.posix_spawn("/bin/true", ["true"], {})
    stat = processes.read_stat(pid)
    assert stat is not None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not Identity(pid, stat.start_ticks, boot).is_running()
    os.waitpid(pid, 0)
