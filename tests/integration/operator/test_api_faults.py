"""The API server answers badly, late, twice, with old news or not at all; the job's end and
its objects are those of an undisturbed life.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from support.api_fault_proxy import (
    Exchange,
    Rule,
    answer,
    broken,
    cut,
    delayed,
    dropped,
    late,
    lost,
    reordered,
    repeated,
    watch_error,
)
from support.control_plane import ApiServer
from support.fault_suite import SEEDS
from support.lives import Life, Outcome, living, outcome_of, plain
from support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def some(
    share: float, matches: Callable[[Exchange], bool], seed: int
) -> Callable[[Exchange], bool]:
    """A share of the matching requests, the same ones for the same seed."""
    dice = Random(seed)  # noqa: S311  # to repeat
    return lambda exchange: matches(exchange) and dice.random() < share


def is_write(exchange: Exchange) -> bool:
    """Creations, patches, deletions."""
    return exchange.is_write


def is_status_write(exchange: Exchange) -> bool:
    """What carries a resourceVersion."""
    return exchange.method == "PATCH"


def is_any(_: Exchange) -> bool:
    """Lists, looks, watches and writes."""
    return True


def is_request(exchange: Exchange) -> bool:
    """All but watches."""
    return not exchange.is_watch


REQUEST_FAULTS: dict[str, Callable[[int], Rule]] = {
    "conflict": lambda seed: Rule(
        some(0.5, is_status_write, seed), answer(409, "Conflict", "the object has been modified")
    ),
    "server-error": lambda seed: Rule(some(0.15, is_request, seed), answer(500, "InternalError")),
    "unavailable": lambda seed: Rule(
        some(0.15, is_request, seed), answer(503, "ServiceUnavailable")
    ),
    "answer-lost": lambda seed: Rule(some(0.5, is_write, seed), lost),
    "unauthorized": lambda seed: Rule(some(0.5, is_write, seed), answer(401, "Unauthorized")),
    "cut": lambda seed: Rule(some(0.15, is_any, seed), cut),
    "late": lambda seed: Rule(some(0.5, is_request, seed), late(0.5)),
}
STREAM_FAULTS = {
    "dropped": dropped,
    "delayed": delayed,
    "repeated": repeated,
    "reordered": reordered,
}
ENDINGS = {
    "cut": broken(1),
    "expired": watch_error(1, 410, "Expired"),
}


@pytest.fixture
def life(crd_installed: ApiServer, namespace: str, tmp_path: Path) -> Iterator[Life]:
    """A life that has not begun."""
    with living(crd_installed, namespace, tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def undisturbed(crd_installed: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What a plain life leaves."""
    name = "undisturbed-life"
    crd_installed.api().call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    with living(crd_installed, name, tmp_path_factory.mktemp(name)) as life:
        return live(life)


def live(life: Life) -> Outcome:
    """From the operator's start to its rest."""
    life.operator.start()
    plain(life)
    life.settle()
    return outcome_of(life)


@pytest.mark.fault(2)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", REQUEST_FAULTS)
def test_requests_that_fail(life: Life, undisturbed: Outcome, fault: str, seed: int) -> None:
    """What fails is done again, what was done is found; the process goes on."""
    life.proxy.rules.append(REQUEST_FAULTS[fault](seed))
    assert live(life) == undisturbed
    assert life.deaths == 0


@pytest.mark.fault(3, 6)
@pytest.mark.case(15)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", STREAM_FAULTS)
def test_watch_events_that_are_lost_late_doubled_or_out_of_order(
    life: Life, undisturbed: Outcome, fault: str, seed: int
) -> None:
    """Events only say where to look; full lists find what no event told."""
    life.proxy.seed = seed
    life.proxy.schedule = STREAM_FAULTS[fault]
    assert live(life) == undisturbed
    assert life.deaths == 0


@pytest.mark.fault(3)
@pytest.mark.parametrize("ending", ENDINGS)
def test_watches_that_are_cut(life: Life, undisturbed: Outcome, ending: str) -> None:
    """Cut after each event, or expired: the watch is opened again and nothing is missed."""
    life.proxy.ending = ENDINGS[ending]
    assert live(life) == undisturbed
    assert life.deaths == 0
    assert life.proxy.streams("jobs") >= 2


@pytest.mark.fault(4)
@pytest.mark.parametrize("code", [500, 504])
def test_an_error_in_a_watch(life: Life, undisturbed: Outcome, code: int) -> None:
    """The process ends with a sentence that says why, and its successor goes on."""
    life.proxy.ending = watch_error(1, code, "InternalError")
    assert live(life) == undisturbed
    eventually(lambda: life.deaths == 1, "the process has ended")
    assert seconds_between(life.operator.log(), "has failed", "a watch ended with an error") < 2
    eventually(lambda: life.operator.log().count("started with") == 2, "its successor has started")
    life.settle()
    assert outcome_of(life) == undisturbed


@pytest.mark.fault(4)
@pytest.mark.case(27)
def test_a_watch_whose_credentials_are_refused(life: Life, undisturbed: Outcome) -> None:
    """Where a login brings the same ones again, the successor reads them anew."""
    life.operator.start()
    life.proxy.ending = broken(0)
    life.proxy.rules.append(
        Rule(lambda exchange: exchange.is_watch, answer(401, "Unauthorized"), times=1)
    )
    eventually(lambda: life.deaths == 1, "the process has ended")
    life.proxy.ending = None
    assert "the API server refuses the operator's credentials" in life.operator.log()
    plain(life)
    life.settle()
    assert outcome_of(life) == undisturbed


def seconds_between(log: str, first: str, second: str) -> float:
    """From the first line that has one text to the first that has the other, by their times."""
    times = [
        datetime.strptime(line.split(" ERROR ")[0], "%Y-%m-%d %H:%M:%S,%f")
        for text in (first, second)
        for line in [next(line for line in log.splitlines() if text in line)]
    ]
    return (times[1] - times[0]).total_seconds()


@pytest.mark.fault(3)
@pytest.mark.parametrize("what", ["list", "watch"])
def test_a_refusal_with_410(life: Life, undisturbed: Outcome, what: str) -> None:
    """A page of a list that has expired, or a watch from too far back: begun anew."""
    life.operator.start()
    life.proxy.ending = broken(0)
    life.proxy.rules.append(
        Rule(lambda exchange: getattr(exchange, f"is_{what}"), answer(410, "Expired"), times=1)
    )
    eventually(lambda: life.proxy.disturbed == 1, "the refusal is met")
    life.proxy.ending = None
    plain(life)
    life.settle()
    assert outcome_of(life) == undisturbed


@pytest.mark.fault(26)
def test_a_server_that_asks_for_patience(life: Life, undisturbed: Outcome) -> None:
    """429 with Retry-After: each such request is made once more, and not before its time."""
    life.proxy.rules.append(
        Rule(is_write, answer(429, "TooManyRequests", retry_after="1"), times=3)
    )
    assert live(life) == undisturbed
    assert "again in 1.0 s" in life.operator.log()
    assert life.proxy.disturbed == 3


@pytest.mark.fault(2)
def test_a_server_that_refuses_connections_for_a_while(life: Life, undisturbed: Outcome) -> None:
    """Nothing listens while the pod ends: nothing is decided from that, and then all is seen."""
    life.operator.start()
    life.proxy.stop()
    seen = len(life.operator.log())
    eventually(lambda: "resync failed" in life.operator.log()[seen:], "lists fail")
    life.proxy.start()
    assert not life.operator.has_died()
    plain(life)
    life.settle()
    assert outcome_of(life) == undisturbed
    assert life.deaths == 0
