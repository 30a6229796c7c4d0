"""This attempt as its checkpoints and the manifest tell of it: it goes on where others ended."""

from dataclasses import dataclass
from typing import Any

from preftrain_api.manifest import AttemptRecord
from preftrain_trainer.checkpoint.state import MAX_ATTEMPTS, ResumeState, RunKey


@dataclass(frozen=True, slots=True)
class Attempt:
    """What stays the same during an attempt. Times are in seconds of one monotonic clock."""

    key: RunKey
    number: int
    """Counted from 1."""
    pod_uid: str
    started: float
    holds_gpu: bool
    versions: dict[str, str]
    environment: dict[str, Any]
    resumed: ResumeState | None = None
    """The checkpoint that it goes on from."""

    @property
    def start_step(self) -> int:
        """Steps that earlier attempts have done."""
        return self.resumed.step if self.resumed else 0

    def records(self, step: int, now: float) -> tuple[AttemptRecord, ...]:
        """All attempts up to `step`, this one last."""
        this = AttemptRecord(
            number=self.number,
            pod_uid=self.pod_uid,
            start_step=self.start_step,
            end_step=step,
            seconds=now - self.started,
        )
        earlier = self.resumed.attempts if self.resumed else ()
        return (*earlier, this)[-MAX_ATTEMPTS:]

    def gpu_seconds(self, now: float) -> float:
        """How long this attempt and those before it held a GPU."""
        earlier = self.resumed.gpu_seconds if self.resumed else 0.0
        return earlier + self.own_gpu_seconds(now)

    def own_gpu_seconds(self, now: float) -> float:
        """How long this attempt alone held one."""
        return now - self.started if self.holds_gpu else 0.0
