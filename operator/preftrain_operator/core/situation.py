"""A decision's whole input: what was seen, when, and what the installation allows."""

from dataclasses import dataclass
from datetime import datetime

from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_api.status import PreferenceTrainingJobStatus
from preftrain_operator.core.observed import Observed


@dataclass(frozen=True, slots=True)
class Installation:
    """What the platform team has set."""

    prepare_image: str
    trainer_image: str
    allowed_images: tuple[str, ...] = ()
    """Images that a job may name; a trailing `*` matches any rest."""
    image_pull_policy: str | None = None

    def allows(self, image: str) -> bool:
        """Whether a job may run `image`."""
        return image == self.trainer_image or any(
            image.startswith(allowed[:-1]) if allowed.endswith("*") else image == allowed
            for allowed in self.allowed_images
        )


@dataclass(frozen=True, slots=True)
class Situation:
    """One job at one moment."""

    observed: Observed
    now: datetime
    """UTC, whole seconds."""
    installation: Installation

    @property
    def status(self) -> PreferenceTrainingJobStatus:
        """The status as last read."""
        return self.observed.status

    @property
    def spec(self) -> PreferenceTrainingJobSpec:
        """The spec; policies after the first ones may rely on it.

        Raises:
            ValueError: when the spec could not be read.
        """
        if self.observed.reading.spec is None:
            raise ValueError("the spec could not be read")
        return self.observed.reading.spec

    @property
    def is_started(self) -> bool:
        """Whether the run of the wanted revision has begun."""
        status = self.status
        if status.start_time is None:
            return False
        return not (
            status.completion_time is not None
            and self.observed.raw_revision > (status.run_revision or 1)
        )

    @property
    def is_finished(self) -> bool:
        """Whether the run of the wanted revision has ended."""
        return self.is_started and self.status.completion_time is not None

    @property
    def revision(self) -> int:
        """The revision that is running, or would be started now."""
        return (self.status.run_revision or 1) if self.is_started else self.observed.raw_revision
