"""The Helm chart as tests see it: rendered, parsed, or refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cluster.builder import program

CHART = Path(__file__).parents[2] / "charts" / "preftrain"
Json = dict[str, Any]


class Refused(Exception):
    """Helm did not take the values; its own words."""


def helm(*words: str, values: Mapping[str, Any] | None = None) -> str:
    """Run helm; its standard output.

    Args:
        words: after `helm`.
        values: what a user would write into a values file.

    Raises:
        Refused: it failed.
    """
    command = [str(program("helm")), *words]
    if values is not None:
        command += ["--values", "-"]
    done = subprocess.run(
        command, input=json.dumps(values or {}), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Refused(done.stderr + done.stdout)
    return done.stdout


def rendered(values: Mapping[str, Any] | None = None, *options: str) -> list[Json]:
    """The objects of a release called `preftrain` in the namespace `preftrain-system`."""
    text = helm(
        *("template", "preftrain", str(CHART), "--namespace", "preftrain-system", *options),
        values=values or {},
    )
    return [each for each in yaml.safe_load_all(text) if each is not None]


def only(objects: list[Json], kind: str) -> Json:
    """The object of a kind of which there is one."""
    found = [each for each in objects if each["kind"] == kind]
    assert len(found) == 1, f"{len(found)} objects of kind {kind}"
    return found[0]


def operator_container(objects: list[Json]) -> Json:
    """The operator's container."""
    containers = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert len(containers) == 1
    container: Json = containers[0]
    return container


def environment(objects: list[Json]) -> dict[str, str]:
    """The environment of the operator's container."""
    return {each["name"]: each["value"] for each in operator_container(objects)["env"]}
