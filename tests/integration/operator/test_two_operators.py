"""Two operators work at once on the same jobs, without a Lease, and do no harm; with one, the
second stands by.
"""

from __future__ import annotations

import functools
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import TypeAlias

import pytest

from support.api_fault_proxy import Exchange, Rule, hold, late
from support.control_plane import ApiServer
from support.fault_suite import FULL, SEEDS
from support.lives import (
    SKIP,
    Life,
    Outcome,
    Script,
    living,
    outcome_of,
    plain,
    with_lost_job,
    with_suspension,
)
from support.training_jobs import TRAINED, make_spec
from support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.slow]

Alone: TypeAlias = Callable[[Script], tuple[Outcome, list[str]]]
SCRIPTS: tuple[Script, ...] = (plain, with_lost_job, with_suspension) if FULL else (plain,)


@contextmanager
def pair(
    server: ApiServer, namespace: str, folder: Path, settings: dict[str, str] | None = None
) -> Iterator[tuple[Life, Life]]:
    """One namespace, two operators, each behind a proxy of its own."""
    with ExitStack() as stack:
        first = stack.enter_context(living(server, namespace, folder / "first", settings))
        second = stack.enter_context(living(server, namespace, folder / "second", settings))
        yield first, second


def jitter(life: Life, seed: int) -> None:
    """Every request is late, by another time each: the operators overtake each other."""
    dice = Random(seed)  # noqa: S311  # to repeat
    life.proxy.rules += [
        Rule(lambda exchange: not exchange.is_watch, late(dice.choice((0.0, 0.05, 0.2))), times=3)
        for _ in range(200)
    ]


@pytest.fixture(scope="module")
def alone(crd_installed: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """What one operator leaves and writes, played once a script."""

    @functools.cache
    def lived(script: Script) -> tuple[Outcome, list[str]]:
        name = f"alone-{uuid.uuid4().hex[:12]}"
        crd_installed.api().call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        with living(crd_installed, name, tmp_path_factory.mktemp("alone")) as life:
            return play(script, life), sorted(life.proxy.writes)

    return lived


@pytest.mark.fault(29)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_the_end_is_that_of_one_operator(
    crd_installed: ApiServer,
    namespace: str,
    tmp_path: Path,
    alone: Alone,
    script: Script,
    seed: int,
) -> None:
    """Same status, same Jobs, each made once, each Event once; together no write more."""
    expected, usual = alone(script)
    with pair(crd_installed, namespace, tmp_path) as (first, second):
        jitter(first, seed)
        jitter(second, seed + 1000)
        second.operator.start()
        assert play(script, first) == expected
        second.settle()
        written = sorted(first.proxy.writes + second.proxy.writes)
        assert [write for write in written if not write.startswith("DELETE")] == [
            write for write in usual if not write.startswith("DELETE")
        ]


def play(script: Script, life: Life) -> Outcome:
    """A whole life."""
    life.operator.start()
    script(life)
    life.settle()
    return outcome_of(life)


@pytest.mark.fault(29)
@pytest.mark.case(16)
def test_the_late_write_of_an_operator_that_was_left_behind(
    crd_installed: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """Its status write arrives when another one has gone on: refused, and nothing is lost."""
    with pair(crd_installed, namespace, tmp_path) as (first, second):
        let_go = threading.Event()

        def is_status_write(exchange: Exchange) -> bool:
            return exchange.method == "PATCH" and not let_go.is_set()

        first.operator.start()
        first.jobs.create("run", make_spec(dataset=SKIP))
        pod = first.kubelet.pending("train")
        first.proxy.rules.append(Rule(is_status_write, hold(let_go), times=1))
        first.kubelet.run(pod)
        eventually(lambda: first.proxy.disturbed == 1, "the first one writes that the pod runs")
        second.operator.start()
        first.jobs.wait("run", "Running", reason="Training")
        first.kubelet.end(pod, 0, TRAINED)
        done = first.jobs.wait("run", "Succeeded")
        let_go.set()
        eventually(
            lambda: 409 in [status for _, status in first.proxy.arrived],
            "the late write is refused",
        )
        first.settle()
        assert first.jobs.status("run") == done


@pytest.mark.fault(1, 29)
def test_a_leader_that_is_killed_is_followed(
    crd_installed: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """The one that stands by writes nothing, and goes on when the Lease has run out."""
    lease = {"LEASE_NAMESPACE": namespace, "LEASE_NAME": "preftrain"}
    with pair(crd_installed, namespace, tmp_path, lease) as (first, second):
        first.operator.start()
        eventually(lambda: " leads" in first.operator.log(), "the first one leads")
        second.operator.start()
        first.jobs.create("run", make_spec(dataset=SKIP))
        pod = first.kubelet.run(first.kubelet.pending("train"))
        first.jobs.wait("run", "Running", reason="Training")
        assert second.proxy.arrived == []
        first.restarts = False
        first.operator.kill()
        first.kubelet.end(pod, 0, TRAINED)
        eventually(lambda: " leads" in second.operator.log(), "the second one leads", 60)
        second.jobs.wait("run", "Succeeded")
        assert second.created_jobs() == ["run-r1-1"]
