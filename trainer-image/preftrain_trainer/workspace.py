"""Folders that a run works with: those of a pod are fixed, those of a workstation the user's.

The names are the contract with the operator, which mounts them.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

POD_SECRETS = Path("/etc/preftrain/secrets")
POD_VOLUMES = Path("/mnt/preftrain")
POD_RUN_SPEC = Path("/etc/preftrain/run.json")
POD_TERMINATION_LOG = Path("/dev/termination-log")


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a run finds and leaves things.

    Attributes:
        work: scratch of this attempt: `adapter/`, `report/`, `checkpoints/`, `data/`, `merged/`.
        cache: downloads that may outlive the attempt.
        secrets: one folder a place, one file a key.
        volumes: one mounted volume a place.
        base: what relative `file://` paths are relative to.
        termination_log: takes the result; None on a workstation.
        holder: who runs: the pod's UID, or a made-up one on a workstation.
    """

    work: Path
    cache: Path
    secrets: Path
    volumes: Path
    base: Path
    termination_log: Path | None
    holder: str

    @classmethod
    def of_pod(cls, environ: Mapping[str, str]) -> "Workspace":
        """The folders that the operator mounts, each of which a variable can move."""
        return cls(
            work=Path(environ.get("PREFTRAIN_WORK_DIR", "/work")),
            cache=Path(environ.get("PREFTRAIN_CACHE_DIR", "/cache")),
            secrets=Path(environ.get("PREFTRAIN_SECRETS_DIR", str(POD_SECRETS))),
            volumes=Path(environ.get("PREFTRAIN_VOLUMES_DIR", str(POD_VOLUMES))),
            base=Path("/"),
            termination_log=Path(
                environ.get("PREFTRAIN_TERMINATION_LOG", str(POD_TERMINATION_LOG))
            ),
            # Two pods of one name would both hold the claim.
            holder=environ.get("PREFTRAIN_POD_UID") or f"pod-{uuid.uuid4()}",
        )

    @property
    def adapter(self) -> Path:
        """The folder that is published as `adapter/`."""
        return self.work / "adapter"

    @property
    def report(self) -> Path:
        """The folder that is published as `report/`."""
        return self.work / "report"

    @property
    def merged(self) -> Path:
        """The folder that is published as `merged/` when that is asked for."""
        return self.work / "merged"

    @property
    def comparison(self) -> Path:
        """Scratch of the check of merged weights; never published."""
        return self.work / "comparison"

    @property
    def checkpoints(self) -> Path:
        """The folder of this attempt's local checkpoints."""
        return self.work / "checkpoints"

    @property
    def data(self) -> Path:
        """The folder in which rows are kept while they are in use."""
        return self.work / "data"

    def make(self) -> None:
        """Create the folders of this attempt."""
        for folder in (self.adapter, self.report, self.checkpoints):
            folder.mkdir(parents=True, exist_ok=True)
