"""Settings of the operator, all from environment variables with the prefix PREFTRAIN_."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from preftrain_operator.core.situation import Installation

PREFIX: Final = "PREFTRAIN_"


class SettingsError(Exception):
    """A setting is missing or wrong; the message names the variable."""


def _split(value: Any) -> Any:
    """Take a comma-separated list apart."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseModel):
    """What an installation can set; each field is the variable PREFTRAIN_<FIELD>."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    prepare_image: Annotated[str, Field(min_length=1)]
    """Image of the prepare step."""
    trainer_image: Annotated[str, Field(min_length=1)]
    """Image of the training pods."""
    allowed_images: Names = ()
    """Further images that jobs may name in compute.image, comma-separated; a trailing * matches
    any rest."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """Pull policy of both images. Default: Kubernetes' own."""
    namespaces: Names = ()
    """Namespaces to watch, comma-separated. Default: all."""
    workers: Annotated[int, Field(ge=1, le=256)] = 8
    """Jobs that are worked on at the same time."""
    connections: Annotated[int, Field(ge=1, le=1024)] = 32
    """Connections to the API server at most."""
    progress_seconds: Annotated[float, Field(gt=0)] = 15
    """Pause between questions for progress."""
    progress_via_proxy: bool = False
    """Ask pods through the API server, for an operator outside the pod network. Needs the
    right to get pods/proxy."""
    first_resync_seconds: Annotated[float, Field(gt=0)] = 30
    """Pause between start and the first repeated full list."""
    resync_seconds: Annotated[float, Field(gt=0)] = 300
    """Pause between full lists."""
    lease_namespace: Annotated[str, Field(max_length=63)] = ""
    """Namespace of the Lease by which several replicas choose the one that works. Default: none,
    for a single replica."""
    lease_name: Annotated[str, Field(min_length=1, max_length=253)] = "preftrain-operator"
    """Name of that Lease."""
    metrics_port: Port = 9090
    """Port of /metrics; 0 for none."""
    probe_port: Port = 8081
    """Port of /healthz; 0 for none."""
    log_format: Literal["json", "text"] = "json"
    """Form of the log lines."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least level that is logged."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings; variables of other programs, and those that Kubernetes makes for
        Services, are passed over.

        Raises:
            SettingsError: naming every variable that is missing or wrong.
        """
        values = {
            field: environment[PREFIX + field.upper()]
            for field in cls.model_fields
            if environment.get(PREFIX + field.upper(), "") != ""
        }
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            faults = "; ".join(
                f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}"
                for fault in error.errors(include_url=False)
            )
            raise SettingsError(faults) from error

    @property
    def installation(self) -> Installation:
        """The part that decisions depend on."""
        return Installation(
            prepare_image=self.prepare_image,
            trainer_image=self.trainer_image,
            allowed_images=self.allowed_images,
            image_pull_policy=self.image_pull_policy,
        )
