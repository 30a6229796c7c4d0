"""A place together with the spec field it stands in, so that every error can name the field.

Also decides which kind of end an unusable place is: a missing model, refused data, or an
object store out of reach.
"""

from dataclasses import dataclass
from typing import Literal

from preftrain_api.places import PlaceFields, PlaceUri, S3Options, parse_uri
from preftrain_trainer.errors import (
    DataRefused,
    ModelUnavailable,
    ObjectStoreUnavailable,
    TrainerError,
)

PlaceField = Literal["model", "dataset", "checkpoint", "output"]

_MISSING: dict[PlaceField, type[TrainerError]] = {
    "model": ModelUnavailable,
    "dataset": DataRefused,
    "checkpoint": ObjectStoreUnavailable,
    "output": ObjectStoreUnavailable,
}


@dataclass(frozen=True, slots=True)
class PlaceRef:
    """One of the four places of a spec."""

    field: PlaceField
    uri: PlaceUri
    fields: PlaceFields

    @classmethod
    def of(cls, field: PlaceField, uri: str, fields: PlaceFields) -> "PlaceRef":
        """The place `uri` of `spec.<field>`."""
        return cls(field, parse_uri(uri), fields)

    @property
    def s3(self) -> S3Options:
        """How to talk to its S3 server."""
        return self.fields.s3 or S3Options()

    @property
    def secret(self) -> str:
        """What to check when access is denied."""
        if self.fields.secret_ref is None:
            return f"{self.field}.secretRef (none is set)"
        return f"{self.field}.secretRef ({self.fields.secret_ref.name})"

    def missing(self, what: str) -> TrainerError:
        """The error for something that is not there."""
        return _MISSING[self.field](f"{self.field}.uri {self.uri}: {what}")

    def forbidden(self, what: str) -> TrainerError:
        """The error for something that may not be read or written."""
        kind = ModelUnavailable if self.field == "model" else ObjectStoreUnavailable
        return kind(f"{self.field}.uri {self.uri}: {what}")

    def too_large(self, url: str, size_bytes: int) -> TrainerError:
        """The error for a small file that is none, so none of those that are left there."""
        return self.forbidden(
            f"{url} has {size_bytes} bytes, more than anything that preftrain leaves under such a "
            "name; remove it"
        )

    def unreachable(self, what: str) -> TrainerError:
        """The error for a place that does not answer; another attempt may fare better."""
        return ObjectStoreUnavailable(f"{self.field}.uri {self.uri}: {what}")
