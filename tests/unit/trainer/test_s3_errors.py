"""What an answer of S3 means: another try or not, and the sentence that the user reads."""

from pathlib import Path

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import ProtocolError

from preftrain_trainer.errors import ModelUnavailable, ObjectStoreUnavailable
from preftrain_trainer.places.ref import PlaceField, PlaceRef
from preftrain_trainer.places.retry import Verdict
from preftrain_trainer.places.s3_errors import NotS3, code_of, explain, judge
from support.trainer_cases import run_spec

HOST = "https://user:secret@store.example:9000"
URL = {"endpoint_url": HOST}


def answer(status: int, code: str) -> ClientError:
    said = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, "PutObject")  # type: ignore[arg-type]


def place(field: PlaceField = "output") -> PlaceRef:
    output = {"uri": "s3://adapters/team", "secretRef": {"name": "s3-keys"}}
    spec = run_spec(Path(), output=output).spec.output
    return PlaceRef.of(field, spec.uri, spec)


@pytest.mark.parametrize(
    ("error", "verdict", "says"),
    [
        (answer(404, "NoSuchBucket"), "Final", "has no bucket adapters; create it or correct"),
        (answer(403, "AccessDenied"), "Denied", "(AccessDenied); check output.secretRef (s3-keys)"),
        (answer(400, "ExpiredToken"), "Denied", "denies access to bucket adapters"),
        (answer(401, "Unauthorized"), "Denied", "denies access to bucket adapters"),
        (answer(403, "RequestTimeTooSkewed"), "Final", "the clocks of store.example:9000 and this"),
        (answer(301, "PermanentRedirect"), "Final", "in another region (PermanentRedirect); set"),
        (answer(503, "SlowDown"), "Passing", "answers SlowDown: nothing more; check the store"),
        (answer(409, "ConditionalRequestConflict"), "Passing", "ConditionalRequestConflict"),
        (answer(400, "BadDigest"), "Passing", "answers BadDigest"),
        (answer(400, "MalformedXML"), "Final", "answers MalformedXML"),
        (answer(501, "NotImplemented"), "Final", "answers NotImplemented"),
        (EndpointConnectionError(**URL), "Passing", "does not answer; check output.s3.endpoint"),
        (ConnectTimeoutError(**URL), "Passing", "and the network (ConnectTimeoutError)"),
        (ReadTimeoutError(**URL), "Passing", "does not answer"),
        (ProtocolError("broken off"), "Passing", "does not answer"),
        (SSLError(**URL, error=ValueError("self-signed")), "Passing", "let AWS_CA_BUNDLE name"),
        (ResponseParserError("<html>"), "Passing", "does not answer as S3 does; correct"),
        (NotS3("ETag"), "Final", "does not answer as S3 does; correct output.s3.endpoint"),
        (NoCredentialsError(), "Final", "there are no credentials; set output.secretRef"),
        (ParamValidationError(report="Bucket"), "Final", "the request failed: "),
    ],
    ids=lambda value: (
        code_of(value) or type(value).__name__ if isinstance(value, Exception) else ""
    ),
)
def test_every_failure_is_judged_and_told(error: Exception, verdict: Verdict, says: str) -> None:
    """The field is named, the password of the endpoint is not."""
    told = explain(error, place(), HOST)

    assert judge(error) == verdict
    assert isinstance(told, ObjectStoreUnavailable)
    assert says in str(told)
    assert str(told).startswith("output.uri s3://adapters/team: ")
    assert isinstance(error, SSLError | ParamValidationError) or "secret@" not in str(told)


def test_a_model_that_may_not_be_read_is_an_unavailable_model() -> None:
    """The exit code says which place it was."""
    told = explain(answer(403, "AccessDenied"), place("model"), HOST)

    assert isinstance(told, ModelUnavailable)
