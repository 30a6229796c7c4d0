"""The client of one S3 place: endpoint, addressing, checksums, and credentials that change.

Static keys come from a mounted Secret, which the kubelet rewrites while the pod runs; `renew`
reads them again. Without a Secret boto3's own chain applies (environment, profile, IRSA, EKS
Pod Identity), whose clients refresh themselves; `renew` makes it start afresh.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import ProfileNotFound

from preftrain_trainer.places.ref import PlaceRef
from preftrain_trainer.places.retry import CONNECT_SECONDS, Patience

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_KEYS: Final = {
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "aws_session_token": "AWS_SESSION_TOKEN",
}
_NEEDED: Final = ("aws_access_key_id", "aws_secret_access_key")
_CURRENT: Final = "..data"
"""The kubelet's link to the folder of a Secret's present version; it is replaced as a whole."""


class Connection:
    """A client for one place, and the way to its next credentials.

    Attributes:
        client: what requests are sent with; another one after `renew`.
        sends_checksums: whether the client adds its own checksums to uploads.
    """

    def __init__(self, place: PlaceRef, secrets: Path, patience: Patience) -> None:
        """`secrets` is the folder of the place's mounted Secret, which need not exist.

        Raises:
            TrainerError: the Secret lacks a key, or AWS_PROFILE names no profile.
        """
        self._place = place
        self._secrets = secrets
        self._patience = patience
        options = place.s3
        self.sends_checksums = options.checksum_mode == "WhenSupported" or (
            options.checksum_mode == "Auto" and options.endpoint is None
        )
        self.client = self._connect()

    def renew(self) -> None:
        """Read the credentials again.

        Raises:
            TrainerError: as when the connection was made.
        """
        self.client = self._connect()

    def _connect(self) -> "S3Client":
        place, options = self._place, self._place.s3
        own = options.endpoint is not None
        try:
            session = boto3.session.Session(**_credentials(place, self._secrets))
        except ProfileNotFound as error:
            raise place.forbidden(
                f"{error}; correct AWS_PROFILE, or unset it and set {place.field}.secretRef"
            ) from error
        checksums: Literal["when_supported", "when_required"] = (
            "when_supported" if self.sends_checksums else "when_required"
        )
        made: S3Client = session.client(
            "s3",
            endpoint_url=options.endpoint,
            region_name=options.region or session.region_name or ("us-east-1" if own else None),
            config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=self._patience.read_seconds,
                retries={"mode": "standard", "total_max_attempts": self._patience.attempts},
                s3={"addressing_style": _addressing(options.addressing, own=own)},
                request_checksum_calculation=checksums,
                response_checksum_validation=checksums,
            ),
        )
        return made


def _addressing(
    asked: Literal["Auto", "Path", "Virtual"], *, own: bool
) -> Literal["path", "virtual", "auto"]:
    if asked == "Auto":
        return "path" if own else "auto"
    return "path" if asked == "Path" else "virtual"


def _credentials(place: PlaceRef, secrets: Path) -> dict[str, Any]:
    if not secrets.is_dir():
        return {}
    # All keys of one version, even when the Secret is being replaced at this moment.
    current = secrets / _CURRENT
    folder = current.resolve() if current.is_dir() else secrets
    found = {
        name: (folder / key).read_text().strip()
        for name, key in _KEYS.items()
        if (folder / key).is_file()
    }
    for name in _NEEDED:
        if name not in found:
            raise place.forbidden(f"the Secret of {place.secret} has no key {_KEYS[name]}; add it")
    return found
