"""The ways to run a cluster have one surface, so that commands and the demo need no cases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Backend(Protocol):
    """A cluster on this machine."""

    def up(self) -> None:
        """Start what does not run; return when the node is Ready."""

    def down(self, *, purge: bool) -> None:
        """End everything; with `purge` the cached images too."""

    def status(self) -> Mapping[str, bool]:
        """Each part and whether it is as it should be."""

    def load(self, path: Path, name: str | None) -> str:
        """Bring an image in an OCI layout onto the node; its full name."""

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig with all rights."""

    @property
    def node_name(self) -> str:
        """The only node."""

    @property
    def host_address(self) -> str:
        """The address under which pods reach this machine."""
