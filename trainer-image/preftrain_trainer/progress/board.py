"""What a run shows of itself while it runs: phase, step, figures, estimated time left.

One object, written by the stages and read by the HTTP server and the terminal, from any thread.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Final

from preftrain_api.progress import Phase, Progress
from preftrain_api.report import Evaluation, Finding
from preftrain_trainer.progress.records import StepRecord

_STEPS_FOR_MEDIAN: Final = 64
_MAX_FINDINGS: Final = 16

Listener = Callable[[Progress], None]
FindingListener = Callable[[Finding], None]
Pace = Callable[[datetime, datetime, float], Finding | None]
"""Judges the time now, that of the newest step, and the median step in seconds."""
StepListener = Callable[[StepRecord], None]


@dataclass
class ProgressBoard:
    """The state of a run, for those who look at it.

    Attributes:
        uid: the pod that answers, so that a reused address is noticed.
        now: the clock.
        start_step: steps that earlier attempts have done.
    """

    uid: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    start_step: int = field(default=0, init=False)
    _progress: Progress = field(init=False)
    _step_seconds: deque[float] = field(
        default_factory=lambda: deque(maxlen=_STEPS_FOR_MEDIAN), init=False
    )
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)
    _listeners: list[Listener] = field(default_factory=list, init=False)
    _step_listeners: list[StepListener] = field(default_factory=list, init=False)
    _finding_listeners: list[FindingListener] = field(default_factory=list, init=False)
    _last_step: datetime | None = field(default=None, init=False)
    _pace: Pace | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._progress = Progress(uid=self.uid, phase="Starting")

    def snapshot(self) -> Progress:
        """How far the run is now, and whether it still moves."""
        with self._lock:
            progress, last, pace = self._progress, self._last_step, self._pace
            steps = tuple(self._step_seconds)
        if pace is None or last is None or not steps or progress.phase != "Training":
            return progress
        finding = pace(self.now(), last, median(steps))
        if finding is None:
            return progress
        shown = (*progress.findings, finding)[-_MAX_FINDINGS:]
        return progress.model_copy(update={"findings": shown})

    def judge_pace(self, pace: Pace) -> None:
        """Ask `pace` on every look while the run trains; what it finds is shown, not kept."""
        self._pace = pace

    def add_listener(self, listener: Listener) -> None:
        """Call `listener` after every change, in the thread that made it."""
        self._listeners.append(listener)

    def add_step_listener(self, listener: StepListener) -> None:
        """Call `listener` with the full record of every step."""
        self._step_listeners.append(listener)

    def add_finding_listener(self, listener: FindingListener) -> None:
        """Call `listener` with every finding."""
        self._finding_listeners.append(listener)

    def phase(self, name: Phase) -> None:
        """Enter a phase; a new one begins to wait for its next step."""
        self._last_step = self.now() if self._last_step is not None else None
        self._change(phase=name, eta_seconds=self._eta() if name == "Training" else None)

    def plan(self, total_steps: int) -> None:
        """Tell the number of steps, once it is known."""
        self._change(total_steps=total_steps)

    def resume(
        self,
        record: StepRecord,
        first_step_time: datetime | None,
        findings: Iterable[Finding] = (),
    ) -> None:
        """Go on after the step that `record` is of, which an earlier attempt has done."""
        self.start_step = record.step
        for finding in findings:
            self.finding(finding)
        self._change(
            step=record.step,
            checkpoint_step=record.step,
            first_step_time=first_step_time,
            metrics=record.metrics(),
        )

    def saved(self, step: int) -> None:
        """Tell that the checkpoint of `step` is safe."""
        self._change(checkpoint_step=step)

    def step(self, record: StepRecord) -> None:
        """Take over the figures of a finished step."""
        with self._lock:
            self._last_step = self.now()
            if record.seconds is not None:
                self._step_seconds.append(record.seconds)
                if len(self._step_seconds) == 2 and record.step == self.start_step + 2:
                    # The first step of a process compiles kernels; it says nothing about the
                    # others.
                    self._step_seconds.popleft()
            evaluated = {
                name: value
                for name, value in self._progress.metrics.model_dump(exclude_none=True).items()
                if name.startswith("eval_")
            }
            self._change(
                step=record.step,
                first_step_time=self._progress.first_step_time or self.now(),
                metrics=record.metrics().model_copy(update=evaluated),
                eta_seconds=self._eta(record.step),
            )
        for listener in self._step_listeners:
            listener(record)

    def evaluated(self, evaluation: Evaluation) -> None:
        """Take over the figures of an evaluation on the held-out pairs."""
        with self._lock:
            metrics = self._progress.metrics.model_copy(
                update={
                    "eval_loss": evaluation.loss,
                    "eval_reward_margin": evaluation.reward_margin,
                    "eval_reward_accuracy": evaluation.reward_accuracy,
                }
            )
            self._change(metrics=metrics)

    def finding(self, finding: Finding) -> None:
        """Show a finding, once; the newest sixteen are kept."""
        with self._lock:
            known = self._progress.findings
            if finding in known:
                return
            self._change(findings=(*known, finding)[-_MAX_FINDINGS:])
        for listener in self._finding_listeners:
            listener(finding)

    def _eta(self, step: int | None = None) -> float | None:
        """Seconds left after `step`, by default after the newest one."""
        progress = self._progress
        if not self._step_seconds or not progress.total_steps:
            return None
        done = progress.step if step is None else step
        return median(self._step_seconds) * max(progress.total_steps - done, 0)

    def _change(self, **update: object) -> None:
        # Told under the lock: who hears of two changes hears of the newer one last.
        with self._lock:
            self._progress = self._progress.model_copy(update=update)
            for listener in self._listeners:
                listener(self._progress)
