"""Events of what is stuck are read seldom, and what cannot be read is done without."""

import pytest

from preftrain_operator.core.notices import Notice
from preftrain_operator.kube.errors import Denied
from preftrain_operator.kube.port import Json, Kind
from preftrain_operator.runtime.controller import Controller
from preftrain_operator.runtime.leadership import Alone
from preftrain_operator.runtime.meter import NoMeter
from preftrain_operator.runtime.notices import LAST_PAUSE_SECONDS, MAX_OBJECTS, Notices
from preftrain_operator.runtime.queue import WorkQueue
from preftrain_operator.runtime.store import Store
from support.fake_api import FakeApi
from support.situations import INSTALLATION, NOW, UID, at, make_child, training

QUOTA = 'pods "x" is forbidden: exceeded quota: gpus'


def event(name: str, message: str, seconds: float, uid: str = "job-train-1") -> Json:
    """A warning about the training Job."""
    return {
        "metadata": {"name": name, "namespace": "team", "uid": name},
        "involvedObject": {"uid": uid},
        "type": "Warning",
        "reason": "FailedCreate",
        "message": message,
        "lastTimestamp": at(seconds),
    }


def reads(api: FakeApi) -> int:
    """How many times Events were listed."""
    return sum(kind is Kind.EVENTS for _, kind, _ in api.reads)


async def test_warnings_about_the_object_come_newest_first() -> None:
    """Those about others and those that are no warnings do not come at all."""
    api = FakeApi()
    api.put(Kind.EVENTS, event("old", "old", -60))
    api.put(Kind.EVENTS, event("new", "new", -5))
    api.put(Kind.EVENTS, event("other", "other", 0, uid="another"))
    api.put(Kind.EVENTS, {**event("well", "well", 0), "type": "Normal"})
    found = await Notices(api).about("team", "job-train-1")
    assert found == (Notice("FailedCreate", "new"), Notice("FailedCreate", "old"))


@pytest.mark.fault(24)
async def test_an_object_is_asked_about_ever_less_often() -> None:
    """A quota may hold up a thousand jobs for days."""
    api, seconds = FakeApi(), 0.0
    notices = Notices(api, lambda: seconds)
    asked = []
    for second in range(0, 3600, 10):
        seconds = float(second)
        await notices.about("team", "a")
        asked.append(reads(api))
    pauses = [second * 10 for second in range(1, 360) if asked[second] > asked[second - 1]]
    assert pauses[:4] == [30, 90, 210, 450]
    assert pauses[-1] - pauses[-2] == LAST_PAUSE_SECONDS


async def test_answers_do_not_pile_up() -> None:
    """Objects come and go; the oldest answers are dropped."""
    api = FakeApi()
    notices = Notices(api)
    for number in range(MAX_OBJECTS + 1):
        await notices.about("team", str(number))
    before = reads(api)
    await notices.about("team", str(MAX_OBJECTS))
    assert reads(api) == before
    await notices.about("team", "0")
    assert reads(api) == before + 1


class WithoutEvents(FakeApi):
    """An API server whose rights are of an older chart."""

    def pages(self, kind: Kind, *arguments: object, **named: object) -> object:  # type: ignore[override]
        """See `KubePort`."""
        if kind is Kind.EVENTS:
            raise Denied("events is forbidden", 403)
        return super().pages(kind, *arguments, **named)  # type: ignore[arg-type]


@pytest.mark.fault(24, 25)
@pytest.mark.parametrize(
    ("api", "reason", "words"),
    [
        (FakeApi(), "QuotaExceeded", "exceeded quota: gpus"),
        (WithoutEvents(), "AdmissionRejected", "kubectl describe job run-r1-1"),
    ],
    ids=["with", "without"],
)
async def test_what_they_say_reaches_the_status(api: FakeApi, reason: str, words: str) -> None:
    """Where they may not be read, the status says who would know."""
    child = make_child()
    child["status"]["startTime"] = at(-30)
    store = Store()
    for kind, item in ((Kind.TRAINING_JOBS, training()), (Kind.JOBS, child)):
        store.put(kind, api.put(kind, item))
    api.put(Kind.EVENTS, event("quota", QUOTA, -20))
    controller = Controller(
        api, store, WorkQueue(), INSTALLATION, NoMeter(), Alone(), clock=lambda: NOW
    )
    await controller.reconcile(UID)
    (job,) = api.items(Kind.TRAINING_JOBS)
    ready = next(each for each in job["status"]["conditions"] if each["type"] == "Ready")
    assert ready["reason"] == reason
    assert words in ready["message"]
