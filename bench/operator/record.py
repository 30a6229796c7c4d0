"""What one run has measured, as a line of JSON that outlives it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bench.operator.errors import BenchError
from bench.operator.limits import LimitsName
from bench.operator.quantiles import Spread


class Restart(BaseModel):
    """A process of the system was killed and started again.

    Attributes:
        child_seconds: from the start of the process to the child of an object created at once.
        quiet_seconds: from the start until it uses no more CPU than at rest.
        cpu_seconds: used until then.
        memory_mib: resident once quiet; `peak_mib` is the most ever.
        writes_to_old: writes to objects that were there before.
    """

    model_config = ConfigDict(frozen=True)

    process: str
    objects: int
    child_seconds: float
    quiet_seconds: float
    cpu_seconds: float
    memory_before_mib: float
    memory_mib: float
    peak_mib: float
    reads: int
    writes_to_old: int


class Deletion(BaseModel):
    """All objects were deleted, one by one, as fast as answers came.

    Attributes:
        seconds: until neither objects nor Jobs nor pods were left.
        own_writes: writes of the system's processes meanwhile; `own_reads` likewise.
        own_cpu_ms: CPU of the system's processes for each object.
    """

    model_config = ConfigDict(frozen=True)

    objects: int
    seconds: float
    own_writes: int
    own_reads: int
    own_cpu_ms: float


class Record(BaseModel):
    """One system under one load.

    Attributes:
        rate: objects a second in an open loop; None for a burst.
        load: the machine's one-minute load before the run, and after it.
        children_per_second: from the first creation until all objects had their child;
            `pods_per_second` likewise for their first pod.
        to_child: from the arrival of an object to the answer to its first child's creation.
        to_child_api: the part of it in which the API server worked on a request for the object.
        to_pod: from the arrival of an object to its first pod.
        to_end: from the pod's last status to the object's.
        requests: `client verb resource` → requests for each object.
        cpu_ms: process → CPU for each object over its whole life, less what it uses at rest.
        cpu_ms_to_child: the same until all objects had their first child or pod.
        idle: process → CPU seconds a second at rest.
        memory_mib: process → resident at the end.
        refused: HTTP status → answers.
    """

    model_config = ConfigDict(frozen=True)

    system: str
    processes: tuple[str, ...]
    limits: LimitsName
    described: dict[str, str]
    count: int
    finished: int
    rate: float | None
    began: str
    load: tuple[float, float]
    children_per_second: float
    pods_per_second: float
    to_child: Spread
    to_child_api: Spread
    to_pod: Spread
    to_end: Spread | None
    writes: dict[str, float]
    reads: dict[str, float]
    refused: dict[int, int]
    cpu_ms: dict[str, float]
    cpu_ms_to_child: dict[str, float]
    idle: dict[str, float]
    memory_mib: dict[str, float]
    restarts: tuple[Restart, ...] = ()
    deletion: Deletion | None = None

    @property
    def own_writes(self) -> float:
        """Writes of the system's processes for each object, Events aside."""
        return sum(
            count
            for request, count in self.writes.items()
            if _client(request) in self.processes and not request.endswith(" events")
        )

    @property
    def own_events(self) -> float:
        """Events of the system's processes for each object."""
        return sum(
            count
            for request, count in self.writes.items()
            if _client(request) in self.processes and request.endswith(" events")
        )

    @property
    def own_cpu_ms(self) -> float:
        """CPU of the system's processes for each object."""
        return sum(self.cpu_ms[name] for name in self.processes)

    @property
    def whole_cpu_ms(self) -> float:
        """CPU of everything but the load generator for each object."""
        return sum(used for name, used in self.cpu_ms.items() if name != "load generator")


def _client(request: str) -> str:
    return request.rsplit(" ", 2)[0]


def append(file: Path, record: Record) -> None:
    """Add a record to a file."""
    with file.open("a") as lines:
        lines.write(record.model_dump_json() + "\n")


def read_records(file: Path) -> list[Record]:
    """The records of a file, in order.

    Raises:
        BenchError: the file cannot be read, or holds something else.
    """
    try:
        return [Record.model_validate_json(line) for line in file.read_text().splitlines()]
    except (OSError, ValueError) as error:
        raise BenchError(f"{file} holds no records: {error}") from error
