"""Where the local cluster keeps what it builds and what it runs.

The cache can be deleted at any time and is filled again; the state folder belongs to one
running cluster and is removed by `down`.
"""

from __future__ import annotations

import os
from pathlib import Path

BINARIES = Path(__file__).resolve().parent / "binaries"


def cache_dir() -> Path:
    """The folder of everything that can be made again, shared by all checkouts of a user."""
    return _home("XDG_CACHE_HOME", ".cache") / "preftrain"


def cluster_dir() -> Path:
    """The state folder of the cluster; PREFTRAIN_CLUSTER_DIR moves it."""
    named = os.environ.get("PREFTRAIN_CLUSTER_DIR")
    if named:
        return Path(named).resolve()
    return _home("XDG_STATE_HOME", ".local/state") / "preftrain-cluster"


def _home(variable: str, default: str) -> Path:
    named = os.environ.get(variable)
    return Path(named) if named else Path.home() / default
