"""Clocks of nodes and operators that disagree: limits may come late, never early."""

import copy
from datetime import timedelta
from typing import Any

import pytest

from preftrain_operator.core.policies.deadlines import active_deadline
from preftrain_operator.core.policies.finished import deletion_time
from support.situations import NOW, after, at, condition, look, make_pod, plan_for, running, situate
from support.training_jobs import TRAINED


def with_clock(pod: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The running pod as a node tells of it whose clock is off by so many seconds."""
    pod = copy.deepcopy(pod)
    state = pod["status"]["containerStatuses"][0]["state"]
    for told in state.values():
        for key in {"startedAt", "finishedAt"} & set(told):
            told[key] = at(-19 + seconds if key == "startedAt" else -14 + seconds)
    return pod


@pytest.mark.fault(21)
@pytest.mark.parametrize("off", [-3600, 0, 3600])
def test_a_nodes_clock_never_brings_a_deadline_forward(off: float) -> None:
    """The pod was created 20 seconds ago and has not run longer than that."""
    job, child, pod = running(activeDeadlineSeconds=60)
    job = {**job, "status": {**job["status"], "attempts": [{"number": 1, "job": "run-r1-1"}]}}
    told = with_clock(pod, off)
    job = after(job, plan_for(job, child, pods=(told,)))
    due = active_deadline(situate(look(job, child, pods=(told,))))
    assert due is not None
    assert due >= NOW + timedelta(seconds=40)
    assert plan_for(job, child, pods=(told,)).status is None


@pytest.mark.fault(21)
@pytest.mark.parametrize("off", [-3600, 0, 3600])
def test_a_nodes_clock_never_takes_gpu_seconds_away(off: float) -> None:
    """What a pod held is never less than nothing, nor more than since it was created."""
    job, child, _ = running(compute={"accelerator": "GPU"})
    ended = with_clock(make_pod(child, exit_code=70), off)
    status = plan_for(job, child, pods=(ended,)).status
    assert status is not None
    assert 0 <= (status.gpu_seconds or 0) <= 20


@pytest.mark.fault(21)
def test_a_clock_that_goes_back_deletes_late() -> None:
    """The next operator's clock is an hour behind: the Jobs stay an hour longer."""
    job, child, _ = running(ttlSecondsAfterFinished=10)
    done = make_pod(child, exit_code=0, message=str(TRAINED))
    child["status"]["conditions"] = [{"type": "Complete", "status": "True"}]
    plan = plan_for(job, child, pods=(done,))
    assert condition(plan, "Succeeded") == ("True", "Succeeded")
    job = after(job, plan)
    assert plan_for(job, child, pods=(done,), seconds=-3600).is_empty
    assert deletion_time(situate(look(job, child))) == NOW + timedelta(seconds=10)
    assert plan_for(job, child, pods=(done,), seconds=11).deletes
