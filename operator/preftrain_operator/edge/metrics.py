"""The operator's own metrics, and the server that shows them.

No label names a single job: with thousands of jobs each such series would be one too many.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from preftrain_operator.core.milestones import Milestones
from preftrain_operator.runtime.leadership import Leadership
from preftrain_operator.runtime.queue import WorkQueue
from preftrain_operator.runtime.store import Store

_WAIT_BUCKETS = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400)
"""Seconds; a queue may keep a job waiting for a day."""
_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """`runtime.meter.Meter`, and the count of API requests."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        prefix = "preftrain_operator_"
        self._reconciles = Counter(
            f"{prefix}reconciles", "Reconciles by outcome.", ["outcome"], registry=self.registry
        )
        self._seconds = Histogram(
            f"{prefix}reconcile_seconds",
            "Time of a reconcile, with its requests.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._requests = Counter(
            f"{prefix}api_requests",
            "Requests to the API server, watches aside.",
            ["verb", "resource", "code"],
            registry=self.registry,
        )
        self._differences = Counter(
            f"{prefix}resync_differences",
            "Objects in which a full list differed from the caches; normally none.",
            ["kind"],
            registry=self.registry,
        )
        self._progress = Counter(
            f"{prefix}progress_reads",
            "Questions to pods for their progress.",
            ["outcome"],
            registry=self.registry,
        )
        self._events = Counter(
            f"{prefix}watch_events", "Watch events taken in.", ["resource"], registry=self.registry
        )
        self._relists = Counter(
            f"{prefix}watch_relists",
            "Times that a watch had lost its place and began anew with a list.",
            ["resource"],
            registry=self.registry,
        )
        self._waits = Histogram(
            f"{prefix}start_seconds",
            "From a resource's creation to the start of its first training pod.",
            buckets=_WAIT_BUCKETS,
            registry=self.registry,
        )
        self._attempts = Counter(
            f"{prefix}attempts",
            "Training attempts that ended, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self._ended = Counter(
            f"{prefix}runs", "Runs that ended, by reason.", ["reason"], registry=self.registry
        )
        self._gpu_seconds = Counter(
            f"{prefix}gpu_seconds", "GPU time of the runs that ended.", registry=self.registry
        )
        self._lost_gpu_seconds = Counter(
            f"{prefix}lost_gpu_seconds",
            "The part of it that no result contains: failed runs, and steps done twice.",
            registry=self.registry,
        )

    def reconciled(self, outcome: str, seconds: float) -> None:
        """See `Meter`."""
        self._reconciles.labels(outcome).inc()
        self._seconds.observe(seconds)

    def resynced(self, added: int, changed: int, removed: int) -> None:
        """See `Meter`."""
        for kind, count in (("added", added), ("changed", changed), ("removed", removed)):
            self._differences.labels(kind).inc(count)

    def progress_read(self, outcome: str) -> None:
        """See `Meter`."""
        self._progress.labels(outcome).inc()

    def passed(self, milestones: Milestones) -> None:
        """See `Meter`."""
        if milestones.wait_seconds is not None:
            self._waits.observe(milestones.wait_seconds)
        for reason in milestones.attempts:
            self._attempts.labels(reason).inc()
        if milestones.ended is not None:
            self._ended.labels(milestones.ended).inc()
            self._gpu_seconds.inc(milestones.gpu_seconds)
            self._lost_gpu_seconds.inc(milestones.lost_gpu_seconds)

    def relisted(self, resource: str) -> None:
        """A watch began anew with a list."""
        self._relists.labels(resource).inc()

    def requested(self, verb: str, resource: str, code: int) -> None:
        """A request was answered; code 0 when it was not."""
        self._requests.labels(verb, resource, str(code)).inc()

    def watched(self, resource: str) -> None:
        """A watch event came in."""
        self._events.labels(resource).inc()

    def observe(self, store: Store, queue: WorkQueue, leadership: Leadership) -> None:
        """Show the state of the store and the queue from now on."""
        self.registry.register(_State(store, queue, leadership))

    def serve(self, port: int) -> None:
        """Answer /metrics in a thread of its own."""
        start_http_server(port, registry=self.registry)


class _State(Collector):
    """Gauges that are read when somebody asks."""

    def __init__(self, store: Store, queue: WorkQueue, leadership: Leadership) -> None:
        self._store = store
        self._queue = queue
        self._leadership = leadership

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The present values."""
        prefix = "preftrain_operator_"
        depth = GaugeMetricFamily(f"{prefix}queue_depth", "Keys that wait to be worked on.")
        depth.add_metric([], self._queue.depth)
        yield depth
        age = GaugeMetricFamily(
            f"{prefix}queue_oldest_seconds", "How long the key that waits longest has waited."
        )
        age.add_metric([], self._queue.oldest_seconds)
        yield age
        leader = GaugeMetricFamily(f"{prefix}leader", "1 while this operator works.")
        leader.add_metric([], float(self._leadership.held_seconds is not None))
        yield leader
        jobs = GaugeMetricFamily(f"{prefix}jobs", "Jobs by state.", labels=["state"])
        for state, count in self._store.states().items():
            jobs.add_metric([state], count)
        yield jobs
