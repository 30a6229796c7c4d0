"""Prometheus' own checker of rules, from the distribution's package of the server."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import ClusterError
from demo.prometheus import executable


def promtool(*words: str, content: Mapping[str, Any], folder: Path) -> None:
    """Write `content` as JSON, which is YAML too, into `folder`, and run promtool on it there.

    Args:
        words: the command, for example `check`, `rules`.
        content: the file that the command reads.
        folder: takes the file; files that it names lie beside it.

    Raises:
        AssertionError: promtool found fault; with its own words.
    """
    try:
        tool = executable().with_name("promtool")
    except ClusterError as error:
        pytest.skip(str(error))
    (folder / "content.yaml").write_text(json.dumps(content))
    command = [str(tool), *words, "content.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
