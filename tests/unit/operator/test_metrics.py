"""The operator's own metrics: what is counted, and that the reference page tells all of it."""

import re
from pathlib import Path

from prometheus_client import generate_latest

from preftrain_operator.core.milestones import Milestones
from preftrain_operator.edge.metrics import Metrics
from preftrain_operator.kube.port import Kind
from preftrain_operator.runtime.leadership import Alone
from preftrain_operator.runtime.queue import WorkQueue
from preftrain_operator.runtime.store import Store
from support.situations import make_job

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "operator-metrics.md"


async def observed() -> tuple[Metrics, Store]:
    metrics, store = Metrics(), Store()
    metrics.observe(store, WorkQueue(), Alone())
    return metrics, store


async def test_the_reference_page_has_every_metric_and_no_other() -> None:
    """With its type."""
    metrics, _ = await observed()
    exposed = {(family.name, family.type) for family in metrics.registry.collect()}
    rows = re.findall(r"^\| `(preftrain_operator_\w+)` \| (\w+) \|", PAGE.read_text(), re.M)
    told = {
        (name.removesuffix("_total") if kind == "counter" else name, kind) for name, kind in rows
    }
    assert told == exposed


async def test_a_state_that_no_job_is_in_has_no_series() -> None:
    """Series of jobs that ended or were deleted do not stay for ever."""
    metrics, store = await observed()
    job = make_job(status={"display": {"state": "Training"}})
    store.put(Kind.TRAINING_JOBS, job)
    assert 'preftrain_operator_jobs{state="Training"} 1.0' in text(metrics)
    done = make_job(status={"display": {"state": "Succeeded"}})
    done["metadata"]["resourceVersion"] = str(int(job["metadata"]["resourceVersion"]) + 1)
    store.put(Kind.TRAINING_JOBS, done)
    assert 'state="Training"' not in text(metrics)
    assert 'preftrain_operator_jobs{state="Succeeded"} 1.0' in text(metrics)
    store.remove(Kind.TRAINING_JOBS, done)
    assert "state=" not in text(metrics)


async def test_milestones_are_added_up() -> None:
    """Ends of runs and of attempts by reason, waiting times, GPU time and what of it was lost."""
    metrics, _ = await observed()
    metrics.passed(Milestones())
    metrics.passed(Milestones(wait_seconds=42))
    metrics.passed(Milestones(ended="Succeeded", gpu_seconds=100, lost_gpu_seconds=10))
    metrics.passed(Milestones(ended="DataRefused"))
    metrics.passed(Milestones(attempts=("NodeLost", "Completed", "NodeLost")))
    shown = text(metrics)
    assert 'preftrain_operator_runs_total{reason="Succeeded"} 1.0' in shown
    assert 'preftrain_operator_runs_total{reason="DataRefused"} 1.0' in shown
    assert 'preftrain_operator_attempts_total{reason="NodeLost"} 2.0' in shown
    assert 'preftrain_operator_attempts_total{reason="Completed"} 1.0' in shown
    assert "preftrain_operator_gpu_seconds_total 100.0" in shown
    assert "preftrain_operator_lost_gpu_seconds_total 10.0" in shown
    assert "preftrain_operator_start_seconds_sum 42.0" in shown
    assert "preftrain_operator_start_seconds_count 1.0" in shown


def text(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()
