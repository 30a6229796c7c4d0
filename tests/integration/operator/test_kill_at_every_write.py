"""The operator is killed before and after every single write, and the end is the same."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from support.api_fault_proxy import after_commit, before_commit
from support.control_plane import ApiServer
from support.fault_suite import AT_A_TIME, FULL
from support.lives import (
    Outcome,
    Script,
    living,
    outcome_of,
    plain,
    with_clean_up,
    with_lost_job,
    with_retry,
    with_sudden_suspension,
    with_suspension,
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.xdist_group("kill-at-every-write"),
]

WRITES: dict[Script, int] = {
    plain: 10,
    with_retry: 11,
    with_lost_job: 12,
    with_suspension: 17,
    with_clean_up: 12,
}
"""Writes of each life when nothing disturbs it, Events among them."""
CHOSEN: dict[Script, tuple[int, ...]] = {
    plain: tuple(range(1, WRITES[plain] + 1)),
    with_retry: (6,),
    with_lost_job: (7, 8),
    with_suspension: (7, 13),
    with_clean_up: (11,),
}
"""Writes at which continuous integration kills: all of one life, the turning points of the
others."""
SUDDEN: Script = with_sudden_suspension
STOPPING = range(4, 13) if FULL else (6, 7)
"""Writes of that life between the first look at the pod and the resumption."""
RULES = {"before": before_commit, "after": after_commit}
Kill = tuple[Script, int, str]
UNDISTURBED = (0, "never")


def kills(*scripts: Script) -> list[Kill]:
    """Where the operator is killed in this run."""
    return [
        (script, number, when)
        for script in scripts
        for number in (range(1, WRITES[script] + 1) if FULL else CHOSEN[script])
        for when in RULES
    ]


class Lives:
    """Lives that are lived side by side, each once; tests wait for the one they are about."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._pool = ThreadPoolExecutor(AT_A_TIME)
        self._found: dict[Kill, Future[tuple[Outcome, list[str], int]]] = {}

    def expect(self, wanted: list[Kill]) -> None:
        """Begin with lives that will be asked for."""
        for kill in wanted:
            if kill not in self._found:
                self._found[kill] = self._pool.submit(self._live, *kill)

    def get(self, kill: Kill) -> tuple[Outcome, list[str], int]:
        """What a life left, its writes, and how often its operator died."""
        self.expect([kill])
        return self._found[kill].result()

    def end(self) -> None:
        """Wait for those that still go on."""
        self._pool.shutdown(cancel_futures=True)

    def _live(self, script: Script, number: int, when: str) -> tuple[Outcome, list[str], int]:
        namespace = f"life-{uuid.uuid4().hex[:12]}"
        api = self._server.api()
        api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        with living(self._server, namespace, self._folder / namespace) as life:
            if number:
                life.proxy.rules.append(RULES[when](number, life.kill))
            life.operator.start()
            script(life)
            life.settle()
            return outcome_of(life), life.proxy.writes, life.deaths


@pytest.fixture(scope="module")
def lives(
    crd_installed: ApiServer,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Lives]:
    """The lives that the chosen tests ask for, begun at once, the undisturbed ones first."""
    found = Lives(crd_installed, tmp_path_factory.mktemp("lives"))
    asked: list[Kill] = [
        cast("Kill", item.callspec.params["kill"])
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.path == request.path
        and "kill" in item.callspec.params
    ]
    scripts = dict.fromkeys(kill[0] for kill in asked)
    found.expect([(script, UNDISTURBED[0], UNDISTURBED[1]) for script in scripts])
    found.expect(asked)
    yield found
    found.end()


@pytest.mark.case(21)
@pytest.mark.parametrize("script", WRITES, ids=lambda script: script.__name__)
def test_an_undisturbed_life_has_a_known_number_of_writes(lives: Lives, script: Script) -> None:
    """Otherwise the tests below would not kill at every one of them. And all that is written is
    kept: the operator would have said what was not.
    """
    outcome, writes, deaths = lives.get((script, *UNDISTURBED))
    assert len(writes) == WRITES[script], "\n".join(writes)
    assert deaths == 0
    assert outcome.status["display"]["state"] == "Succeeded"
    assert set(outcome.created.values()) == {1}


def check(lives: Lives, kill: Kill) -> None:
    """A killed operator leaves the same objects and has written no more than others."""
    expected, usual, _ = lives.get((kill[0], *UNDISTURBED))
    outcome, writes, deaths = lives.get(kill)
    assert deaths == 1
    assert outcome == expected
    # What was stored and not heard of is found and not written again; an Event is offered twice
    # and taken once.
    assert sorted(writes) == sorted(usual)


def named(kill: Kill) -> str:
    """The test's name."""
    return f"{kill[2]}-{kill[1]}"


@pytest.mark.fault(1)
@pytest.mark.case(1, 3, 24)
@pytest.mark.parametrize("kill", kills(plain), ids=named)
def test_from_apply_to_success(lives: Lives, kill: Kill) -> None:
    """Same status, same Jobs, each made once, one pod each, each Event once, no write more."""
    check(lives, kill)


@pytest.mark.fault(1)
@pytest.mark.case(4, 24)
@pytest.mark.parametrize("kill", kills(with_retry), ids=named)
def test_with_a_failed_pod(lives: Lives, kill: Kill) -> None:
    """The failed attempt is counted once."""
    check(lives, kill)


@pytest.mark.fault(1)
@pytest.mark.case(4, 24)
@pytest.mark.parametrize("kill", kills(with_lost_job), ids=named)
def test_with_a_deleted_job(lives: Lives, kill: Kill) -> None:
    """The lost attempt is counted once, and the next one is made once."""
    check(lives, kill)


@pytest.mark.fault(1)
@pytest.mark.case(7, 24)
@pytest.mark.parametrize("kill", kills(with_suspension), ids=named)
def test_with_suspension_and_resumption(lives: Lives, kill: Kill) -> None:
    """The pod ends, the run is Suspended, and resuming it makes attempt two, uncounted."""
    check(lives, kill)


@pytest.mark.fault(1, 42)
@pytest.mark.case(7)
@pytest.mark.parametrize(
    "kill", [(SUDDEN, number, when) for number in STOPPING for when in RULES], ids=named
)
def test_with_a_pod_that_is_gone_at_once(lives: Lives, kill: Kill) -> None:
    """Its end is told, or it is told that nobody saw it; it is never counted and never dropped."""
    outcome, _, deaths = lives.get(kill)
    assert deaths == 1
    first, second = outcome.status["attempts"]
    told = (first["reason"], first.get("exitCode"), first.get("endStep"))
    assert told in (("Preempted", 75, 4), ("EndUnseen", None, None))
    assert first["counted"] is False
    assert second["exitCode"] == 0
    assert outcome.status.get("retries", 0) == 0
    assert outcome.status["display"]["state"] == "Succeeded"
    assert outcome.created == {"run-r1-1": 1, "run-r1-2": 1}


@pytest.mark.fault(1)
@pytest.mark.case(6, 24)
@pytest.mark.parametrize("kill", kills(with_clean_up), ids=named)
def test_with_the_deletion_of_finished_jobs(lives: Lives, kill: Kill) -> None:
    """The deletion is taken up again; nothing but the Jobs is deleted."""
    check(lives, kill)
