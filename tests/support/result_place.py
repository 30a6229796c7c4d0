"""Somewhere to write results to, and one revision's folder there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from preftrain_api.report import Artifact
from preftrain_api.run_spec import RunSpec
from preftrain_trainer.places import opening as places
from preftrain_trainer.places.store import ObjectStore
from preftrain_trainer.workspace import Workspace
from support.publication import attempt, results
from support.trainer_cases import workspace


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere to write to, with what a manifest and the Secret's folder say about it."""

    output: dict[str, Any]
    secret: dict[str, str]
    bucket: str = ""

    def keys_in(self, folder: Path) -> None:
        """Lay the Secret out as a pod sees it."""
        for name, value in self.secret.items():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(value)


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision's folder of results, to be opened by any number of pods."""

    place: Place
    run: RunSpec
    tmp_path: Path
    opened: dict[str, ObjectStore] = field(default_factory=dict)

    def workspace(self, pod: str = "pod-1") -> Workspace:
        """A pod's folders."""
        folders = workspace(self.tmp_path / pod, holder=pod)
        self.place.keys_in(folders.secrets / "output")
        return folders

    def publish(self, pod: str = "pod-1", **how: Any) -> Artifact:
        """What an attempt of that pod does; see `attempt`."""
        left = results(self.workspace(pod).work)
        return attempt(self.store(pod), pod, self.run, left, **how)

    def store(self, pod: str = "pod-1") -> ObjectStore:
        """The store as that pod opens it, once: making a client takes longer than most tests."""
        if pod not in self.opened:
            self.opened[pod] = places.open_output(self.run, self.workspace(pod), patient=False)
        return self.opened[pod]
