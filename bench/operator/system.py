"""What is measured: a kind of object, the processes that serve it, and how its objects end.

A system is a YAML file, so that the load generator can be pointed at anything that turns one
object into pods by way of Jobs. `systems/` has the ones that are compared.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.operator.errors import BenchError
from bench.operator.limits import LimitsName

ROOT: Final = Path(__file__).parents[2]
SYSTEMS: Final = Path(__file__).parent / "systems"
Json = dict[str, Any]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Process(_Part):
    """A process that serves the kind. `$python`, `$root`, `$kubeconfig` and `$namespace` are
    replaced in `argv` and `environment`.
    """

    argv: tuple[str, ...]
    """Command line."""
    environment: dict[str, str] = {}
    """Variables on top of this process's own."""
    raised_argv: tuple[str, ...] = ()
    """Appended under raised limits."""
    raised_environment: dict[str, str] = {}
    """Added under raised limits."""
    agents: tuple[str, ...]
    """How the user agents of its requests begin."""
    ready: str
    """What its log says once it is at work."""
    limits: dict[LimitsName, str] = {}
    """Its own limits, in words, for the table."""


class System(_Part):
    """One thing to measure."""

    name: Annotated[str, Field(min_length=1)]
    """What tables call it."""
    manifest: Json
    """The object; its name and namespace are filled in."""
    done: Annotated[str, Field(min_length=1)]
    """Type of the condition that is true on an object that has ended well."""
    child: str = "jobs"
    """Resource of the first object that is made for each; `pods` where the object is a Job."""
    messages: Annotated[tuple[str | Json, ...], Field(min_length=1)] = ("",)
    """For each pod of an object, in order: the termination message with which it ends well."""
    setup: tuple[str, ...] = ()
    """Files to apply first: kinds, runtimes; relative to the repository."""
    processes: dict[str, Process] = {}
    """Name in tables → process. None for a kind that the control plane serves itself."""

    @property
    def message_texts(self) -> tuple[str, ...]:
        """The termination messages as the kubelet would report them."""
        return tuple(
            message if isinstance(message, str) else json.dumps(message)
            for message in self.messages
        )

    def render(self, name: str, namespace: str) -> Json:
        """The object of one name."""
        metadata = {**self.manifest.get("metadata", {}), "name": name, "namespace": namespace}
        return {**self.manifest, "metadata": metadata}


def load_system(named: str) -> System:
    """Read a system: the name of a file in `systems/`, or a path.

    Raises:
        BenchError: there is no such file, or it is not a system; the message names the field.
    """
    known = SYSTEMS / f"{named}.yaml"
    path = known if known.exists() else Path(named)
    try:
        return System.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        names = ", ".join(sorted(file.stem for file in SYSTEMS.glob("*.yaml")))
        raise BenchError(f"no system {named}: name a YAML file, or one of {names}") from error
    except (ValidationError, yaml.YAMLError) as error:
        raise BenchError(f"{path} describes no system: {error}") from error


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """`text` with `$python`, `$root` and `values` put in.

    Raises:
        BenchError: it names something else.
    """
    known = {"python": sys.executable, "root": str(ROOT), **values}
    try:
        return Template(text).substitute(known)
    except (KeyError, ValueError) as error:
        raise BenchError(f"{text!r}: only ${', $'.join(known)} are known ({error})") from error
