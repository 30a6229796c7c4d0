"""Asks running training pods how far they are, and passes on what is worth a status write."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from preftrain_api.progress import MAX_PROGRESS_BYTES, Progress
from preftrain_operator.core.observed import Report
from preftrain_operator.core.reading import read_json, read_leniently
from preftrain_operator.core.render_pod import PORT
from preftrain_operator.kube.port import Json, Kind, ProgressPort
from preftrain_operator.runtime.clock import utc_now
from preftrain_operator.runtime.leadership import Leadership
from preftrain_operator.runtime.meter import Meter
from preftrain_operator.runtime.store import Store

IN_FLIGHT: Final = 64
SILENT_SECONDS: Final = 30.0
"""The status is refreshed after this time even when the percentage has not moved."""


@dataclass(frozen=True, slots=True)
class Target:
    """A pod to ask: only one whose UID the status has recorded."""

    key: str
    namespace: str
    pod: str
    pod_uid: str
    address: str


@dataclass(frozen=True, slots=True)
class _Told:
    pod_uid: str
    percent: int
    time: float


class ProgressPuller:
    """Asks all of them every `interval_seconds`."""

    def __init__(
        self,
        port: ProgressPort,
        store: Store,
        meter: Meter,
        leadership: Leadership,
        interval_seconds: float,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._port = port
        self._store = store
        self._meter = meter
        self._leadership = leadership
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._told: dict[str, _Told] = {}

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            await asyncio.sleep(self._interval_seconds)
            await self._leadership.wait()
            await self.ask_all()

    async def ask_all(self) -> None:
        """Ask every running pod once."""
        targets = list(targets_of(self._store))
        keys = {target.key for target in targets}
        self._told = {key: told for key, told in self._told.items() if key in keys}
        await asyncio.gather(*(self._ask(target) for target in targets))

    async def _ask(self, target: Target) -> None:
        async with self._slots:
            body = await self._port.read(target.namespace, target.pod, target.address)
        if body is None:
            self._meter.progress_read("no_answer")
            return
        raw = read_json(body, MAX_PROGRESS_BYTES)
        progress = read_leniently(Progress, raw) if isinstance(raw, dict) else None
        if progress is None:
            self._meter.progress_read("unreadable")
        elif progress.uid != target.pod_uid:
            # The address belongs to another pod by now.
            self._meter.progress_read("other_pod")
        else:
            self._meter.progress_read("success")
            self._pass_on(target, progress)

    def _pass_on(self, target: Target, progress: Progress) -> None:
        now = asyncio.get_running_loop().time()
        told = self._told.get(target.key)
        if (
            told is not None
            and told.pod_uid == target.pod_uid
            and abs(progress.percent - told.percent) < 1
            and now - told.time < SILENT_SECONDS
        ):
            return
        self._told[target.key] = _Told(target.pod_uid, progress.percent, now)
        self._store.put_report(target.key, Report(target.pod_uid, progress, self._clock()))


def targets_of(store: Store) -> Iterator[Target]:
    """The running pods whose UID the status of their job has recorded."""
    for key in store.unfinished():
        job = store.get(Kind.TRAINING_JOBS, key)
        target = None if job is None else _target(store, job)
        if target is not None:
            yield target


def _target(store: Store, job: Json) -> Target | None:
    attempts = (job["status"] or {}).get("attempts")
    if not attempts:
        return None
    uid = attempts[-1].get("podUid")
    if uid is None or attempts[-1].get("endTime") is not None:
        return None
    pod = store.get(Kind.PODS, uid)
    if pod is None or pod["status"].get("phase") != "Running":
        return None
    ip = pod["status"].get("podIP")
    if not ip:
        return None
    host = f"[{ip}]" if ":" in ip else ip
    return Target(
        key=job["metadata"]["uid"],
        namespace=pod["metadata"]["namespace"],
        pod=pod["metadata"]["name"],
        pod_uid=uid,
        address=f"{host}:{PORT}",
    )
