"""Several operators: one works, the others wait, and none is needed for safety."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from preftrain_operator.core.election import LEASE_SECONDS, RENEW_SECONDS, LeaseView, may_take
from preftrain_operator.kube.errors import Transient
from preftrain_operator.kube.port import Kind
from preftrain_operator.runtime import leadership
from preftrain_operator.runtime.leadership import ASK_SECONDS, Elected
from support.fake_api import FakeApi

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WHERE = {"namespace": "preftrain-system", "name": "preftrain-operator"}


class Watch:
    """A clock that goes as far as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1000.0
        monkeypatch.setattr(leadership, "_now", lambda: self.seconds)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


def candidate(api: FakeApi, identity: str) -> Elected:
    return Elected(api, **WHERE, identity=identity, clock=lambda: NOW)


def lease(api: FakeApi) -> dict[str, Any]:
    (found,) = api.items(Kind.LEASES)
    spec: dict[str, Any] = found["spec"]
    return spec


async def test_the_first_one_leads_and_renews(watch: Watch) -> None:
    """It makes the Lease, and what people read there says who leads and since when."""
    api = FakeApi()
    first = candidate(api, "one")
    assert first.held_seconds is None
    assert await first.step() == RENEW_SECONDS
    watch.seconds += 7
    assert first.held_seconds == 7
    assert await first.step() == RENEW_SECONDS
    assert lease(api) == {
        "holderIdentity": "one",
        "leaseDurationSeconds": LEASE_SECONDS,
        "renewTime": "2026-11-24T12:00:00.000000Z",
        "acquireTime": "2026-11-24T12:00:00.000000Z",
        "leaseTransitions": 0,
    }


async def test_a_second_one_waits_until_the_lease_has_run_out(watch: Watch) -> None:
    """By its own watch: what another machine's clock says is never compared."""
    api = FakeApi()
    first, second = candidate(api, "one"), candidate(api, "two")
    await first.step()
    assert await second.step() == ASK_SECONDS
    watch.seconds += LEASE_SECONDS - 1
    await second.step()
    assert second.held_seconds is None
    watch.seconds += 1
    assert await second.step() == RENEW_SECONDS
    assert second.held_seconds == 0
    assert (lease(api)["holderIdentity"], lease(api)["leaseTransitions"]) == ("two", 1)


async def test_a_renewal_keeps_others_waiting(watch: Watch) -> None:
    """Each one starts the others' waiting anew."""
    api = FakeApi()
    first, second = candidate(api, "one"), candidate(api, "two")
    for _ in range(10):
        await first.step()
        assert await second.step() == ASK_SECONDS
        watch.seconds += RENEW_SECONDS


async def test_one_that_was_overtaken_stops(watch: Watch) -> None:
    """It notices at its next renewal."""
    api = FakeApi()
    first, second = candidate(api, "one"), candidate(api, "two")
    await first.step()
    await second.step()
    watch.seconds += LEASE_SECONDS
    await second.step()
    assert await first.step() == ASK_SECONDS
    assert first.held_seconds is None


async def test_a_lease_that_was_given_back_is_taken_at_once(watch: Watch) -> None:
    """An upgrade costs no waiting."""
    api = FakeApi()
    first, second = candidate(api, "one"), candidate(api, "two")
    await first.step()
    await second.step()
    await first.give_back()
    assert first.held_seconds is None
    assert await second.step() == RENEW_SECONDS


async def test_giving_back_leaves_the_lease_of_another_alone(watch: Watch) -> None:
    """One that was overtaken unnoticed has nothing to give."""
    api = FakeApi()
    first, second = candidate(api, "one"), candidate(api, "two")
    await first.step()
    await second.step()
    watch.seconds += LEASE_SECONDS
    await second.step()
    await first.give_back()
    assert lease(api)["holderIdentity"] == "two"


async def test_failing_requests_end_the_leadership_when_the_lease_must_have_run_out(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not earlier: a short outage of the API server changes nothing."""
    api = FakeApi()
    first = candidate(api, "one")
    await first.step()

    async def fail(*_: Any) -> Any:
        raise Transient("503")

    monkeypatch.setattr(api, "get", fail)
    watch.seconds += LEASE_SECONDS - 1
    assert await first.step() == ASK_SECONDS
    assert first.held_seconds is not None
    watch.seconds += 1
    await first.step()
    assert first.held_seconds is None
    await first.give_back()


async def test_two_that_take_at_the_same_moment(watch: Watch) -> None:
    """The API server lets one through; the other asks again later."""
    api = FakeApi()
    first, second = candidate(api, "one"), candidate(api, "two")
    await asyncio.gather(first.step(), second.step())
    leading = [each for each in (first, second) if each.held_seconds is not None]
    assert len(leading) == 1


@pytest.mark.parametrize(
    ("holder", "unchanged", "taken"),
    [("", 0, True), ("me", 0, True), ("other", 14.9, False), ("other", 15, True)],
)
def test_when_a_lease_may_be_taken(holder: str, unchanged: float, taken: bool) -> None:
    """Free, one's own, or run out."""
    view = LeaseView("1", holder, LEASE_SECONDS, 0)
    assert may_take(view, "me", unchanged) is taken
