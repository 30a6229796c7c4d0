"""What the schema has and the release has not is refused by name, never ignored."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from preftrain_api.capabilities import unsupported_fields
from preftrain_api.resolve import resolve
from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_api.spec.method import DpoLossType, MethodType
from support.spec_cases import MINIMAL

DPO = {"type": "DPO"}
REFUSED: dict[str, dict[str, Any]] = {
    "guards: Stall": {"guards": [{"name": "Stall", "action": "Stop"}]},
    "managedBy": {"managedBy": "kueue.x-k8s.io/multikueue"},
}


def spec(**members: Any) -> PreferenceTrainingJobSpec:
    raw = {**MINIMAL}
    for name, value in members.items():
        raw[name] = {**raw.get(name, {}), **value} if isinstance(value, dict) else value
    return PreferenceTrainingJobSpec.parse(raw)


@pytest.mark.parametrize("field", REFUSED)
def test_what_is_not_carried_out_is_named(field: str) -> None:
    """One sentence that begins with the field, before and after defaults are filled in."""
    asked = spec(**REFUSED[field])
    for form in (asked, resolve(asked)):
        sentences = unsupported_fields(form)
        assert len(sentences) == 1
        assert sentences[0].startswith(field)


def test_a_minimal_job_asks_for_nothing_that_is_missing() -> None:
    """Defaults alone are carried out, as they are written and filled in."""
    asked = spec()
    assert unsupported_fields(asked) == ()
    assert unsupported_fields(resolve(asked)) == ()


@pytest.mark.parametrize("method", get_args(MethodType))
def test_every_method_is_accepted(method: str) -> None:
    """With its defaults."""
    assert unsupported_fields(spec(method={"type": method})) == ()


@pytest.mark.parametrize("loss", get_args(DpoLossType))
def test_every_loss_is_accepted(loss: str) -> None:
    """Each alone is no reason to refuse."""
    assert unsupported_fields(spec(method=DPO | {"dpo": {"losses": [{"type": loss}]}})) == ()
