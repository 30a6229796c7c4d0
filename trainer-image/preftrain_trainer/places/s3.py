"""S3, for results and for sources: the one module that imports boto3.

Owns the client (endpoint, addressing, checksums, credentials, retries) and turns every failure
of a request into one sentence that names the field of the spec.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from preftrain_trainer.errors import TrainerError
from preftrain_trainer.places.ref import PlaceRef
from preftrain_trainer.places.store import ANYTHING, Condition, ConditionsUnsupported, StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

Patience = Literal["Quick", "Patient"]
"""Quick for the first look at a place, which must fail within seconds; Patient where hours of
training wait to be saved."""

_ATTEMPTS: Final[dict[Patience, int]] = {"Quick": 3, "Patient": 8}
PART_BYTES: Final = 64 * 1024 * 1024
"""Files above this size are uploaded in parts of it."""

_CONNECT_SECONDS: Final = 4
_READ_SECONDS: Final = 60
_CONFLICT_ATTEMPTS: Final = 5

_FORBIDDEN: Final = frozenset(
    {
        "403",
        "AccessDenied",
        "AllAccessDisabled",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "XAdminUserNotFound",
    }
)
_ABSENT: Final = frozenset({"404", "NoSuchKey", "NotFound"})
_CONFLICT: Final = frozenset({"ConditionalRequestConflict", "409"})
_REFUSED: Final = frozenset({"PreconditionFailed", "412"})
_CONDITION_UNKNOWN: Final = frozenset({"NotImplemented", "501", "InvalidRequest"})


def client(place: PlaceRef, secrets: Path, patience: Patience) -> "S3Client":
    """A client for one place.

    `secrets` is the folder of the place's mounted Secret; where it does not exist, the
    default chain of boto3 applies: environment, profile, or the identity of the pod.

    Raises:
        TrainerError: the Secret lacks a key, or AWS_PROFILE names no profile.
    """
    options = place.s3
    own = options.endpoint is not None
    checksums: Literal["when_supported", "when_required"] = (
        "when_required"
        if options.checksum_mode == "WhenRequired" or (options.checksum_mode == "Auto" and own)
        else "when_supported"
    )
    addressing: Literal["path", "virtual", "auto"] = (
        "path"
        if options.addressing == "Path" or (options.addressing == "Auto" and own)
        else ("virtual" if options.addressing == "Virtual" else "auto")
    )
    try:
        session = boto3.session.Session(**_credentials(place, secrets))
    except ProfileNotFound as error:
        raise place.forbidden(
            f"{error}; correct AWS_PROFILE, or unset it and set {place.field}.secretRef"
        ) from error
    region = options.region or session.region_name or ("us-east-1" if own else None)
    made: S3Client = session.client(
        "s3",
        endpoint_url=options.endpoint,
        region_name=region,
        config=Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS[patience]},
            s3={"addressing_style": addressing},
            request_checksum_calculation=checksums,
            response_checksum_validation=checksums,
        ),
    )
    return made


def _credentials(place: PlaceRef, secrets: Path) -> dict[str, Any]:
    keys = {
        "aws_access_key_id": "AWS_ACCESS_KEY_ID",
        "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "aws_session_token": "AWS_SESSION_TOKEN",
    }
    if not secrets.is_dir():
        return {}
    found = {
        name: (secrets / key).read_text().strip()
        for name, key in keys.items()
        if (secrets / key).is_file()
    }
    for name in ("aws_access_key_id", "aws_secret_access_key"):
        if name not in found:
            raise place.forbidden(f"the Secret of {place.secret} has no key {keys[name]}; add it")
    return found


class Bucket:
    """The objects of one place below `prefix`; implements `store.ObjectStore`."""

    def __init__(self, place: PlaceRef, made: "S3Client", prefix: str) -> None:
        self._place = place
        self._client = made
        self._bucket = place.uri.root
        self._prefix = prefix.strip("/")

    def url(self, key: str) -> str:
        """The object's `s3://` URI."""
        return f"s3://{self._bucket}/{self._key(key)}".rstrip("/")

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and ETag, or None."""
        with self._explained():
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._key(key))
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return None
                raise
            return answer["Body"].read(), answer["ETag"]

    def head(self, key: str) -> StoredObject | None:
        """Size, ETag and the digest stored by `put_file`, or None."""
        with self._explained():
            try:
                answer = self._client.head_object(Bucket=self._bucket, Key=self._key(key))
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return None
                raise
        digest = answer["Metadata"].get("sha256")
        return StoredObject(key, answer["ContentLength"], answer["ETag"], digest)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Objects below `prefix`, by key."""
        start = len(self._key(""))
        with self._explained():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._key(prefix)
            )
            for page in pages:
                for item in page.get("Contents", ()):
                    yield StoredObject(item["Key"][start:], item["Size"], item["ETag"])

    def put(self, key: str, data: bytes, condition: Condition = ANYTHING) -> bool:
        """Write in one request."""
        return self._write(
            condition,
            lambda headers: self._client.put_object(
                Bucket=self._bucket, Key=self._key(key), Body=data, **headers
            ),
        )

    def put_file(self, key: str, path: Path, sha256: str, condition: Condition = ANYTHING) -> bool:
        """Upload, in parts when it is large; the digest becomes metadata.

        boto3's own upload cannot make the last request conditional, so the parts are sent here.
        """
        if path.stat().st_size > PART_BYTES:
            return self._write(
                condition, lambda headers: self._upload_parts(key, path, sha256, headers)
            )

        def send(headers: dict[str, Any]) -> object:
            with path.open("rb") as stream:
                return self._client.put_object(
                    Bucket=self._bucket,
                    Key=self._key(key),
                    Body=stream,
                    Metadata={"sha256": sha256},
                    **headers,
                )

        return self._write(condition, send)

    def delete(self, key: str) -> None:
        """Remove."""
        with self._explained():
            self._client.delete_object(Bucket=self._bucket, Key=self._key(key))

    def fetch(self, key: str, path: Path) -> bool:
        """Download into a file, which appears when it is whole; False when there is no object."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        with self._explained():
            try:
                self._client.download_file(self._bucket, self._key(key), str(part))
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return False
                raise
        part.replace(path)
        return True

    def download(self, key: str, path: Path) -> None:
        """Download an object that must be there."""
        if not self.fetch(key, path):
            raise self._place.missing(f"there is no object {self._key(key)}")

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def _upload_parts(self, key: str, path: Path, sha256: str, headers: dict[str, Any]) -> object:
        where: dict[str, Any] = {"Bucket": self._bucket, "Key": self._key(key)}
        upload = self._client.create_multipart_upload(**where, Metadata={"sha256": sha256})
        upload_id = upload["UploadId"]
        try:
            parts: list[CompletedPartTypeDef] = []
            with path.open("rb") as stream:
                while block := stream.read(PART_BYTES):
                    number = len(parts) + 1
                    sent = self._client.upload_part(
                        **where, UploadId=upload_id, PartNumber=number, Body=block
                    )
                    parts.append({"PartNumber": number, "ETag": sent["ETag"]})
            return self._client.complete_multipart_upload(
                **where, UploadId=upload_id, MultipartUpload={"Parts": parts}, **headers
            )
        except BaseException:
            # Parts of an upload that nobody completes are kept, and paid for, for ever.
            with suppress(BotoCoreError, ClientError):
                self._client.abort_multipart_upload(**where, UploadId=upload_id)
            raise

    def _write(self, condition: Condition, send: Callable[[dict[str, Any]], object]) -> bool:
        headers: dict[str, Any] = {}
        if condition.absent:
            headers["IfNoneMatch"] = "*"
        if condition.tag is not None:
            headers["IfMatch"] = condition.tag
        with self._explained():
            for _ in range(_CONFLICT_ATTEMPTS):
                try:
                    send(headers)
                except ClientError as error:
                    code = _code(error)
                    if headers and (code in _REFUSED or code in _ABSENT):
                        return False
                    if headers and code in _CONDITION_UNKNOWN:
                        raise ConditionsUnsupported from error
                    if code not in _CONFLICT:
                        raise
                else:
                    return True
        raise self._place.unreachable("objects are being written by others too; try again")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise explain(error, self._place, self._client.meta.endpoint_url) from error


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
    if isinstance(error, EndpointConnectionError | HTTPClientError):
        return place.unreachable(
            f"{host} does not answer; check {place.field}.s3.endpoint and the network "
            f"({type(error).__name__})"
        )
    return place.unreachable(f"the request failed: {error}")


def _explain_answer(error: ClientError, place: PlaceRef, host: str) -> TrainerError:
    code = _code(error)
    bucket = place.uri.root
    if code == "NoSuchBucket":
        return place.missing(
            f"{host} has no bucket {bucket}; create it or correct {place.field}.uri"
        )
    if code in _FORBIDDEN:
        return place.forbidden(
            f"{host} denies access to bucket {bucket} ({code}); check {place.secret}"
        )
    return place.unreachable(f"{host} answers {code}: {error.response['Error'].get('Message', '')}")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
