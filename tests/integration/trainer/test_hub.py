"""A hub that refuses, is overloaded or out of reach: which end, and what the user reads."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from preftrain_trainer import disk
from preftrain_trainer.errors import (
    InternalError,
    ModelUnavailable,
    ObjectStoreUnavailable,
    TrainerError,
)
from preftrain_trainer.places import hub
from preftrain_trainer.places.hub import HubSource
from preftrain_trainer.places.ref import PlaceRef
from preftrain_trainer.places.retry import Retry
from support.fake_hub import COMMIT, Refusal, fake_hub
from support.s3_worlds import Clock
from support.trainer_cases import run_spec, write_model

pytestmark = pytest.mark.integration

TOKEN = "hf_not_a_real_one"
Opened = Callable[..., AbstractContextManager[HubSource]]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Opens a model on a hub whose first answers are given."""
    write_model(tmp_path / "hub" / "models" / "owner" / "base")
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "HF_TOKEN").write_text(f"{TOKEN}\n")

    @contextmanager
    def opened(refusals: Iterable[Refusal] = (), clock: Clock | None = None) -> Iterator[HubSource]:
        changes = {"uri": "hf://owner/base", "secretRef": {"name": "hf-token"}}
        model = run_spec(tmp_path, model={**changes, "quantization": "None"}).spec.model
        time = clock or Clock()
        with fake_hub(tmp_path / "hub", refusals) as endpoint:
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
            yield HubSource(
                PlaceRef.of("model", model.uri, model),
                None,
                secrets,
                lambda patience: Retry(patience, time, time.sleep, lambda: 0.5),
            )

    return opened


@pytest.mark.parametrize(
    ("refusal", "kind", "says"),
    [
        (
            Refusal(401, {"X-Error-Message": "Invalid credentials in Authorization header"}),
            ModelUnavailable,
            "refuses the token (401); put one that may read owner/base (key HF_TOKEN) into "
            "model.secretRef (hf-token)",
        ),
        (Refusal(403), ModelUnavailable, "refuses the token (403)"),
        (
            Refusal(403, {"X-Error-Code": "GatedRepo"}),
            ModelUnavailable,
            "owner/base is gated; accept its terms",
        ),
        (
            Refusal(401, {"X-Error-Code": "RepoNotFound"}),
            ModelUnavailable,
            "has no model owner/base, or it is private",
        ),
        (
            Refusal(404, {"X-Error-Code": "RevisionNotFound"}),
            ModelUnavailable,
            "correct model.revision",
        ),
        (Refusal(429), ObjectStoreUnavailable, "the hub answers 429; check the network"),
        (
            Refusal(429, {"Retry-After": "90"}),
            ObjectStoreUnavailable,
            "the hub answers 429 and asks to wait 90 s",
        ),
        (Refusal(503), ObjectStoreUnavailable, "the hub answers 503"),
        (Refusal(418), ObjectStoreUnavailable, "the hub answers 418"),
    ],
)
def test_a_refusal_is_told_with_the_way_out(
    source: Opened, refusal: Refusal, kind: type[TrainerError], says: str
) -> None:
    """What another token, name or moment would change is said; the token is not."""
    with (
        source(itertools.repeat(refusal)) as opened,
        pytest.raises(kind) as told,
    ):
        opened.files()

    assert says in str(told.value)
    assert str(told.value).startswith("model.uri hf://owner/base: ")
    assert TOKEN not in str(told.value)


def test_an_overloaded_hub_is_asked_again_when_it_says(source: Opened) -> None:
    """Retry-After is kept to, where it does not ask for more patience than a first look has."""
    clock = Clock()
    refusals = [Refusal(429, {"Retry-After": "2"}), Refusal(503)]

    with source(refusals, clock) as opened:
        assert opened.commit == COMMIT

    assert clock.pauses == [2.0, 1.0]


def test_being_told_to_stay_offline_is_told(
    source: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HF_HUB_OFFLINE ends the look at once."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    clock = Clock()

    with (
        source((), clock) as opened,
        pytest.raises(ObjectStoreUnavailable, match="the hub cannot be reached; check the network"),
    ):
        opened.files()

    assert clock.pauses == []


def test_a_name_that_no_hub_can_have_is_told(tmp_path: Path) -> None:
    """The hub's client refuses it before any request."""
    model = run_spec(tmp_path, model={"uri": "hf://owner/a--b", "quantization": "None"}).spec.model
    source = HubSource(PlaceRef.of("model", model.uri, model), None, tmp_path)

    with pytest.raises(ModelUnavailable, match=r"correct model\.uri"):
        source.files()


def test_a_cache_that_is_too_small_is_told_before_the_download(
    source: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is fetched that cannot be kept; the message says how much is needed."""
    monkeypatch.setattr(disk, "free_bytes", lambda _: 3)

    with source() as opened:
        files = opened.files()
        with pytest.raises(InternalError, match="3 bytes free and the model needs 30 bytes"):
            opened.fetch(files)


def test_a_cache_that_fills_up_during_a_download_is_told(
    source: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others may write there too; waiting helps as little as another try."""
    clock = Clock()

    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(hub, "snapshot_download", full)

    with (
        source((), clock) as opened,
        pytest.raises(InternalError, match=r"is full: .* too little for owner/base"),
    ):
        opened.fetch(opened.files())

    assert clock.pauses == []
