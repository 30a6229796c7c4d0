"""What a failed request to S3 means: another try, or one sentence that names the spec's field."""

from typing import Final
from urllib.parse import urlsplit

from boto3.exceptions import RetriesExceededError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
)
from botocore.exceptions import ConnectionError as NotConnected
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError as LibraryError

from preftrain_trainer.errors import TrainerError
from preftrain_trainer.places.ref import PlaceRef
from preftrain_trainer.places.retry import Verdict


class NotS3(Exception):
    """An answer that succeeded but lacks what S3 puts into every such answer."""


FAILURES: Final = (
    BotoCoreError,
    ClientError,
    LibraryError,
    NotS3,
    ResponseParserError,
    RetriesExceededError,
)
"""Everything that a request may raise; botocore lets urllib3's own errors through when an answer
breaks off."""

ABSENT_CODES: Final = frozenset({"404", "NoSuchKey", "NotFound"})
REFUSED_CODES: Final = frozenset({"412", "PreconditionFailed"})
CONDITION_UNKNOWN_CODES: Final = frozenset({"501", "NotImplemented", "InvalidRequest"})
UPLOAD_GONE: Final = "NoSuchUpload"

_DENIED_STATUS: Final = frozenset({401, 403})
_DENIED_CODES: Final = frozenset(
    # AWS answers these with 400.
    {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "RequestExpired"}
)
_PASSING_STATUS: Final = frozenset({408, 409, 429, 500, 502, 503, 504})
_PASSING_CODES: Final = frozenset(
    # The content was damaged or cut on its way; sent again it may arrive.
    {"BadDigest", "IncompleteBody", "RequestTimeout", "XAmzContentSHA256Mismatch"}
)
_UNREADABLE: Final = (
    HTTPClientError,
    IncompleteReadError,
    LibraryError,
    NotConnected,
    ResponseParserError,
    RetriesExceededError,
)

_CLOCK_CODE: Final = "RequestTimeTooSkewed"
_REGION_CODES: Final = frozenset({"301", "AuthorizationHeaderMalformed", "PermanentRedirect"})


def code_of(error: Exception) -> str:
    """The code of S3's answer; empty where there was none."""
    if not isinstance(error, ClientError):
        return ""
    return str(error.response.get("Error", {}).get("Code", ""))


def judge(error: Exception) -> Verdict:
    """Whether the same request may fare better later, or with other credentials."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = code_of(error)
        if code in _DENIED_CODES or (status in _DENIED_STATUS and code != _CLOCK_CODE):
            return "Denied"
        return "Passing" if status in _PASSING_STATUS or code in _PASSING_CODES else "Final"
    return "Passing" if isinstance(error, _UNREADABLE) else "Final"


def explain(error: Exception, place: PlaceRef, endpoint: str) -> TrainerError:
    """The error of a request, as one sentence with the field to look at."""
    host = urlsplit(endpoint).netloc.rpartition("@")[2]  # without a password that stands there
    if isinstance(error, ClientError):
        return _explain_answer(error, place, host)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return place.forbidden(
            f"there are no credentials; set {place.field}.secretRef to a Secret with "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the pod an identity"
        )
    if isinstance(error, SSLError):
        return place.unreachable(
            f"no trusted connection to {host} ({error}); let AWS_CA_BUNDLE name the certificate of "
            f"its authority, or correct {place.field}.s3.endpoint"
        )
    if isinstance(error, ResponseParserError | NotS3):
        return place.unreachable(
            f"{host} does not answer as S3 does; correct {place.field}.s3.endpoint"
        )
    if isinstance(error, _UNREADABLE):
        return place.unreachable(
            f"{host} does not answer; check {place.field}.s3.endpoint and the network "
            f"({type(error).__name__})"
        )
    return place.unreachable(f"the request failed: {error}")


def _explain_answer(error: ClientError, place: PlaceRef, host: str) -> TrainerError:
    code = code_of(error)
    bucket = place.uri.root
    if code == "NoSuchBucket":
        return place.missing(
            f"{host} has no bucket {bucket}; create it or correct {place.field}.uri"
        )
    if code == _CLOCK_CODE:
        return place.forbidden(f"the clocks of {host} and this node differ ({code}); set them")
    if code in _REGION_CODES:
        return place.forbidden(
            f"bucket {bucket} is in another region ({code}); set {place.field}.s3.region"
        )
    if judge(error) == "Denied":
        return place.forbidden(
            f"{host} denies access to bucket {bucket} ({code}); check {place.secret}"
        )
    said = error.response.get("Error", {}).get("Message") or "nothing more"
    return place.unreachable(f"{host} answers {code}: {said}; check the store behind it")
