"""What a pod is told: the resolved spec plus its identity, as one JSON document.

It reaches the pod as a file and never holds a secret. The same document drives a run on a
workstation, so both are one code path.
"""

from typing import Annotated, Literal

from pydantic import Field

from preftrain_api.report import Digest, Pins
from preftrain_api.spec.job import PreferenceTrainingJobSpec
from preftrain_api.wire import Name, WireModel


class RunIdentity(WireModel):
    """Which run this is."""

    namespace: Name
    name: Name
    uid: Name
    """UID of the PreferenceTrainingJob; on a workstation a random one."""
    revision: Annotated[int, Field(ge=1)]
    attempt: Annotated[int, Field(ge=0)]
    """0 for prepare, counted from 1 for training."""

    @property
    def key_prefix(self) -> str:
        """Path below `output.uri` under which everything of this revision is kept."""
        return f"{self.namespace}/{self.name}/r{self.revision}"


class RunSpec(WireModel):
    """One stage of one run."""

    api_version: Literal["run.preftrain.dev/v1alpha1"] = "run.preftrain.dev/v1alpha1"
    identity: RunIdentity
    stage: Literal["Prepare", "Train"]
    spec: PreferenceTrainingJobSpec
    """The resolved spec: every default that does not depend on the machine is filled in."""
    pins: Pins | None = None
    """Set by prepare; absent when prepare was skipped."""
    spec_hash: Digest | None = None
    """Hash of what decides the result; needs the pins."""
