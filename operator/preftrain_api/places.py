"""A place is where something is read from or written to: hub, object store, volume, folder.

The same three fields (`uri`, `secretRef`, `s3`) describe the model, the dataset, the
checkpoints and the output, so whoever has learnt one has learnt all four.
"""

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from pydantic import StringConstraints, ValidationInfo, field_validator

from preftrain_api.wire import CelRule, DnsSubdomain, Name, WireModel, allows_file

Scheme = Literal["hf", "s3", "pvc", "file"]

HUB_PATTERN: Final = r"hf://[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?"
S3_PATTERN: Final = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()=+@~-]+)*/?"
PVC_PATTERN: Final = r"pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/[A-Za-z0-9!_.*'()=+@~-]+)*/?"
FILE_PATTERN: Final = r"file://.+"

SOURCE_PATTERN: Final = f"^({HUB_PATTERN}|{S3_PATTERN}|{PVC_PATTERN})$"
SINK_PATTERN: Final = f"^({S3_PATTERN}|{PVC_PATTERN})$"

SOURCE_MESSAGE: Final = (
    "uri must be hf://owner/name, s3://bucket/path or pvc://claim/path; "
    "file:// works only with 'preftrain run' on a workstation"
)
SINK_MESSAGE: Final = (
    "uri must be s3://bucket/path or pvc://claim/path, because results are written there; "
    "file:// works only with 'preftrain run' on a workstation"
)
DOTS_MESSAGE: Final = "uri must not contain '.' or '..' as a path segment; write the path out"

_DOT_SEGMENT: Final = re.compile(r"/\.\.?(/|\Z)")

Uri = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


def _cel_string(text: str) -> str:
    """Quote for CEL; raw strings would end at the quote that S3 keys may contain."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def uri_rules(pattern: str, message: str) -> tuple[CelRule, ...]:
    """The CEL twin of `check_uri` for a place whose `uri` may be absent."""
    return (
        CelRule(f"!has(self.uri) || self.uri.matches({_cel_string(pattern)})", message, ".uri"),
        CelRule("!has(self.uri) || !self.uri.matches('/\\\\.\\\\.?(/|$)')", DOTS_MESSAGE, ".uri"),
    )


def check_uri(uri: str, pattern: str, message: str, *, allow_file: bool) -> str:
    """Return `uri` when it may be used.

    Raises:
        ValueError: with the sentence that the API server would say.
    """
    is_file = allow_file and re.fullmatch(FILE_PATTERN, uri) is not None
    if not is_file and re.fullmatch(pattern, uri) is None:
        raise ValueError(message)
    if not is_file and _DOT_SEGMENT.search(uri):
        raise ValueError(DOTS_MESSAGE)
    return uri


class SecretRef(WireModel):
    """A Secret in the job's own namespace."""

    name: DnsSubdomain
    """Name of the Secret. Keys: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and optionally
    AWS_SESSION_TOKEN for S3; HF_TOKEN for the hub."""


class S3Options(WireModel):
    """How to talk to the S3 server of a place; AWS needs none of this."""

    endpoint: (
        Annotated[str, StringConstraints(max_length=512, pattern=r"^https?://[!-?A-~]+$")] | None
    ) = None
    """URL of the S3 server, without user and password. Without it, AWS."""
    region: Name | None = None
    """Region to sign requests for. Without it, us-east-1 for a server of your own."""
    addressing: Literal["Auto", "Path", "Virtual"] = "Auto"
    """Path puts the bucket into the path, Virtual into the host name. Default: Auto, that is
    Path when an endpoint is set."""
    checksum_mode: Literal["Auto", "WhenSupported", "WhenRequired"] = "Auto"
    """When requests carry integrity checksums. Default: Auto, that is WhenRequired when an
    endpoint is set, because many stores refuse what they do not know."""


class PlaceFields(WireModel):
    """The fields that every place has beside its `uri`."""

    secret_ref: SecretRef | None = None
    """Credentials. Without them the pod's own identity is used."""
    s3: S3Options | None = None
    """How to talk to the S3 server, for s3:// places."""


class SourcePlace(PlaceFields):
    """A place to read from."""

    cel_rules: ClassVar[tuple[CelRule, ...]] = uri_rules(SOURCE_PATTERN, SOURCE_MESSAGE)

    uri: Uri
    """Where it is: hf://owner/name, s3://bucket/path or pvc://claim/path."""

    @field_validator("uri")
    @classmethod
    def _uri_is_known(cls, uri: str, info: ValidationInfo) -> str:
        return check_uri(uri, SOURCE_PATTERN, SOURCE_MESSAGE, allow_file=allows_file(info))


class SinkPlace(PlaceFields):
    """A place to write to."""

    cel_rules: ClassVar[tuple[CelRule, ...]] = uri_rules(SINK_PATTERN, SINK_MESSAGE)

    uri: Uri
    """Where it goes: s3://bucket/path or pvc://claim/path."""

    @field_validator("uri")
    @classmethod
    def _uri_is_known(cls, uri: str, info: ValidationInfo) -> str:
        return check_uri(uri, SINK_PATTERN, SINK_MESSAGE, allow_file=allows_file(info))


@dataclass(frozen=True, slots=True)
class PlaceUri:
    """A place's URI in parts: `root` is the hub id, bucket, claim or empty; `path` has no
    leading slash except for `file`, where it is the path as written.
    """

    scheme: Scheme
    root: str
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{'/'.join(part for part in (self.root, self.path) if part)}"


def parse_uri(uri: str) -> PlaceUri:
    """Split an already validated URI.

    Raises:
        ValueError: when the scheme is none of hf, s3, pvc, file.
    """
    scheme, _, rest = uri.partition("://")
    if scheme == "file":
        return PlaceUri("file", "", rest)
    if scheme == "hf":
        return PlaceUri("hf", rest.strip("/"), "")
    if scheme in ("s3", "pvc"):
        root, _, path = rest.partition("/")
        return PlaceUri("s3" if scheme == "s3" else "pvc", root, path.strip("/"))
    raise ValueError(f"{uri!r}: {SOURCE_MESSAGE}")
