"""A pod of the trainer's: the command with the file system that the operator gives it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from preftrain_api.result import PrepareResult
from support.result_place import Place
from support.trainer_cases import preftrain, run_spec, text_rows, write_model, write_rows

SECONDS = 20
"""A job that fails on data or storage must have failed by then."""


def unused_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Pod:
    """A pod's file system: volumes, secrets and run spec, as the operator mounts them."""

    def __init__(self, tmp_path: Path, place: Place) -> None:
        self.root = tmp_path
        self.place = place
        self.env: dict[str, str] = {}
        write_model(tmp_path / "volumes" / "model" / "base")
        write_rows(tmp_path / "volumes" / "dataset" / "pairs" / "train.jsonl", text_rows(200))
        place.keys_in(tmp_path / "secrets" / "output")

    def environment(self) -> dict[str, str]:
        """What the operator sets in the pod, and what a test adds."""
        return {
            "PREFTRAIN_RUN_SPEC": str(self.root / "run.json"),
            "PREFTRAIN_WORK_DIR": str(self.root / "work"),
            "PREFTRAIN_CACHE_DIR": str(self.root / "cache"),
            "PREFTRAIN_SECRETS_DIR": str(self.root / "secrets"),
            "PREFTRAIN_VOLUMES_DIR": str(self.root / "volumes"),
            "PREFTRAIN_TERMINATION_LOG": str(self.root / "termination-log"),
            "PREFTRAIN_POD_UID": "pod-1",
            "HOME": str(self.root / "home"),
            **self.env,
        }

    def tell(self, **changes: Any) -> None:
        """Put the run spec there; `dataset=...` and the like replace members."""
        members: dict[str, Any] = {
            "model": {"uri": "pvc://models/base", "quantization": "None"},
            "dataset": {"uri": "pvc://data/pairs"},
            "output": self.place.output,
        }
        run = run_spec(self.root, **{**members, **changes})
        (self.root / "run.json").write_text(run.model_dump_json(by_alias=True, exclude_none=True))

    def prepare(self, **changes: Any) -> tuple[int, PrepareResult, str]:
        """Tell, and run prepare: its exit code, its result and its log."""
        self.tell(**changes)
        ended = preftrain("prepare", env=self.environment(), timeout_seconds=SECONDS)
        return ended.returncode, self.result(), ended.stderr

    def result(self) -> PrepareResult:
        """What prepare left in the termination message."""
        return PrepareResult.model_validate_json((self.root / "termination-log").read_bytes())
