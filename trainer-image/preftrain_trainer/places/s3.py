"""The objects of an S3 bucket, for results and for sources.

Every operation is repeated as `retry` allows and ends in one sentence that names the field of
the spec.
"""

import base64
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import ClientError

from preftrain_trainer.errors import TrainerError
from preftrain_trainer.places.ref import PlaceRef
from preftrain_trainer.places.retry import Retry
from preftrain_trainer.places.s3_client import Connection
from preftrain_trainer.places.s3_errors import (
    ABSENT_CODES,
    CONDITION_UNKNOWN_CODES,
    FAILURES,
    REFUSED_CODES,
    UPLOAD_GONE,
    NotS3,
    code_of,
    explain,
    judge,
)
from preftrain_trainer.places.store import (
    ANYTHING,
    LARGEST_READ_BYTES,
    Condition,
    ConditionsUnsupported,
    StoredObject,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, UploadPartOutputTypeDef

    _Parts = list[CompletedPartTypeDef]

_log = logging.getLogger("preftrain")
_Result = TypeVar("_Result")

PART_BYTES: Final = 64 * 1024 * 1024
"""Files above this size are uploaded in parts of it; S3 takes 10,000 parts and none but the last
below 5 MiB."""

_READ_BYTES: Final = 1024 * 1024


class Bucket:
    """The objects of one place below `prefix`; implements `store.ObjectStore`."""

    def __init__(
        self,
        place: PlaceRef,
        connection: Connection,
        prefix: str,
        retry: Retry,
        part_bytes: int = PART_BYTES,
    ) -> None:
        self._place = place
        self._connection = connection
        self._bucket = place.uri.root
        self._prefix = prefix.strip("/")
        self._retry = retry
        self._part_bytes = part_bytes

    def url(self, key: str) -> str:
        """The object's `s3://` URI."""
        return f"s3://{self._bucket}/{self._key(key)}".rstrip("/")

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and ETag, or None."""

        def read() -> tuple[bytes, str]:
            answer = self._client.get_object(**self._at(key))
            if (size := answer.get("ContentLength", 0)) > LARGEST_READ_BYTES:
                raise self._place.too_large(self.url(key), size)
            return answer["Body"].read(), _required(answer, "ETag")

        return self._unless_absent(read)

    def head(self, key: str) -> StoredObject | None:
        """Size, ETag and the digest stored by `put_file`, or None."""

        def look() -> StoredObject:
            answer = self._client.head_object(**self._at(key))
            # Some stores give the names of metadata back in capitals.
            metadata = {name.lower(): value for name, value in answer["Metadata"].items()}
            size, tag = _required(answer, "ContentLength"), _required(answer, "ETag")
            return StoredObject(key, size, tag, metadata.get("sha256"))

        return self._unless_absent(look)

    def digest(self, key: str) -> str | None:
        """SHA-256 of the content as it is read back, or None."""

        def read() -> str:
            digest = hashlib.sha256()
            for block in self._client.get_object(**self._at(key))["Body"].iter_chunks(_READ_BYTES):
                digest.update(block)
            return digest.hexdigest()

        return self._unless_absent(read)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Objects below `prefix`, by key."""
        start = len(self._key(""))
        where: dict[str, Any] = {"Bucket": self._bucket, "Prefix": self._key(prefix)}
        while True:
            page = self._try(lambda: self._client.list_objects_v2(**where))
            for item in page.get("Contents", ()):
                yield StoredObject(item["Key"][start:], item["Size"], item["ETag"])
            if not page.get("NextContinuationToken"):
                return
            where["ContinuationToken"] = page["NextContinuationToken"]

    def put(self, key: str, data: bytes, condition: Condition = ANYTHING) -> bool:
        """Write in one request."""
        return self._put(key, data, condition, {})

    def put_file(self, key: str, path: Path, sha256: str, condition: Condition = ANYTHING) -> bool:
        """Upload, in parts when it is large; the digest becomes metadata.

        boto3's own upload cannot make the last request conditional, so the parts are sent here.
        """
        metadata = {"sha256": sha256}
        if path.stat().st_size <= self._part_bytes:
            return self._put(key, path.read_bytes(), condition, {"Metadata": metadata})
        started = self._try(
            lambda: self._client.create_multipart_upload(**self._at(key), Metadata=metadata)
        )
        upload = {**self._at(key), "UploadId": self._checked(started, "UploadId")}
        try:
            parts = self._send_parts(upload, path)
            return self._complete(upload, parts, key, sha256, condition)
        except BaseException:
            # Parts of an upload that nobody completes are kept, and paid for, for ever.
            with suppress(*FAILURES):
                self._client.abort_multipart_upload(**upload)
            raise

    def delete(self, key: str) -> None:
        """Remove."""
        self._try(lambda: self._client.delete_object(**self._at(key)))

    def discard_unfinished(self) -> None:
        """Abort the uploads below this folder that nobody will complete any more.

        Not tried again, because it saves money and nothing else; not everybody may do it either.
        Of more than a thousand the next call takes the rest.
        """
        folder = self._key("")
        try:
            answer = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=folder)
            for upload in answer.get("Uploads", ()):
                if upload["Key"].startswith(folder):  # not every server heeds the prefix
                    self._client.abort_multipart_upload(
                        Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )
        except FAILURES as error:
            _log.warning("unfinished uploads of earlier attempts stay: %s", self._explained(error))

    def fetch(self, key: str, path: Path) -> bool:
        """Download into a file, which appears when it is whole; False when there is no object."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")

        def download() -> bool:
            self._client.download_file(self._bucket, self._key(key), str(part))
            return True

        if not self._unless_absent(download):
            return False
        part.replace(path)
        return True

    def download(self, key: str, path: Path) -> None:
        """Download an object that must be there."""
        if not self.fetch(key, path):
            raise self._place.missing(f"there is no object {self._key(key)}")

    @property
    def _client(self) -> "S3Client":
        return self._connection.client

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def _at(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._key(key)}

    def _checksum(self, data: bytes) -> dict[str, Any]:
        """What lets a server of one's own notice damage; AWS gets the client's checksums."""
        if self._connection.sends_checksums:
            return {}
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        return {"ContentMD5": base64.b64encode(digest).decode()}

    def _put(self, key: str, data: bytes, condition: Condition, more: dict[str, Any]) -> bool:
        headers = {**_headers(condition), **self._checksum(data), **more}

        def send() -> bool:
            self._client.put_object(**self._at(key), Body=data, **headers)
            return True

        return self._unless_refused(condition, send)

    def _send_parts(self, upload: dict[str, Any], path: Path) -> "_Parts":
        parts: _Parts = []
        with path.open("rb") as stream:
            while block := stream.read(self._part_bytes):
                number = len(parts) + 1
                headers = {**upload, "PartNumber": number, **self._checksum(block)}
                sent = self._try(partial(self._send_part, block, headers))
                parts.append({"PartNumber": number, "ETag": self._checked(sent, "ETag")})
        return parts

    def _send_part(self, block: bytes, headers: dict[str, Any]) -> "UploadPartOutputTypeDef":
        return self._client.upload_part(Body=block, **headers)

    def _complete(
        self,
        upload: dict[str, Any],
        parts: "_Parts",
        key: str,
        sha256: str,
        condition: Condition,
    ) -> bool:
        def complete() -> bool:
            try:
                self._client.complete_multipart_upload(
                    **upload, MultipartUpload={"Parts": parts}, **_headers(condition)
                )
            except ClientError as error:
                if code_of(error) != UPLOAD_GONE:
                    raise
                # Completed by a request whose answer was lost, or aborted by a later pod.
                found = self.head(key)
                return found is not None and found.sha256 == sha256
            return True

        written = self._unless_refused(condition, complete)
        if not written:
            with suppress(*FAILURES):
                self._client.abort_multipart_upload(**upload)
        return written

    def _unless_absent(self, request: Callable[[], _Result]) -> _Result | None:
        def sent() -> _Result | None:
            try:
                return request()
            except ClientError as error:
                if code_of(error) in ABSENT_CODES:
                    return None
                raise

        return self._try(sent)

    def _unless_refused(self, condition: Condition, request: Callable[[], bool]) -> bool:
        def sent() -> bool:
            try:
                return request()
            except ClientError as error:
                code = code_of(error)
                if condition != ANYTHING and code in REFUSED_CODES | ABSENT_CODES:
                    return False
                if condition != ANYTHING and code in CONDITION_UNKNOWN_CODES:
                    raise ConditionsUnsupported(
                        f"{self.url('')}: the store refuses to write on a condition; check the "
                        f"store behind {self._place.field}.uri"
                    ) from error
                raise

        return self._try(sent)

    def _try(self, request: Callable[[], _Result]) -> _Result:
        try:
            return self._retry.run(request, FAILURES, judge, renew=self._connection.renew)
        except FAILURES as error:
            raise self._explained(error) from error

    def _checked(self, answer: Mapping[str, Any], name: str) -> Any:
        try:
            return _required(answer, name)
        except NotS3 as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> TrainerError:
        return explain(error, self._place, self._client.meta.endpoint_url)


def _headers(condition: Condition) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if condition.absent:
        headers["IfNoneMatch"] = "*"
    if condition.tag is not None:
        headers["IfMatch"] = condition.tag
    return headers


def _required(answer: Mapping[str, Any], name: str) -> Any:
    if name not in answer:
        raise NotS3(name)
    return answer[name]
