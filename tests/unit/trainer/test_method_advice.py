"""Advice names what is unusual, and changes nothing."""

from typing import Any

import pytest

from preftrain_trainer.data.pairs import Kind
from preftrain_trainer.methods.advice import advice
from support.specs import resolved_spec

LENGTH = {"maxLength": 1024}


def names(rows: int = 1000, kind: Kind = "Paired", **members: Any) -> set[str]:
    members["training"] = LENGTH | members.get("training", {})
    found = advice(resolved_spec(**members), rows, kind)
    assert {finding.severity for finding in found} <= {"Info"}
    return {finding.name for finding in found}


@pytest.mark.parametrize("method", ["DPO", "ORPO", "KTO"])
def test_defaults_need_no_advice(method: str) -> None:
    """They are what is usual."""
    assert names(method={"type": method}) == set()


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"method": {"type": "DPO", "dpo": {"beta": 0.9}}}, "adviceBeta"),
        ({"method": {"type": "KTO", "kto": {"beta": 0.01}}}, "adviceBeta"),
        ({"method": {"type": "ORPO", "orpo": {"beta": 2}}}, "adviceBeta"),
        (
            {"method": {"type": "DPO", "dpo": {"beta": 0.9, "losses": [{"type": "IPO"}]}}},
            "adviceBeta",
        ),
        ({"training": {"learningRate": 5e-7}}, "adviceLearningRate"),
        ({"training": {"learningRate": 1e-3}}, "adviceLearningRate"),
        ({"training": {"learningRate": 0}}, "adviceLearningRate"),
        ({"training": {"epochs": 0.5}}, "adviceEpochs"),
        ({"training": {"epochs": 3, "precomputeReference": True}}, "adviceEpochs"),
        ({"training": {"maxSteps": 30}}, "adviceEpochs"),
        ({"training": {"maxLength": 512}}, "adviceMaxLength"),
        ({"training": {"maxLength": 8192}}, "adviceMaxLength"),
        ({"rows": 100}, "adviceSteps"),
        ({"method": {"type": "DPO", "dpo": {"losses": [{"type": "SFT"}]}}}, "adviceLosses"),
        ({"method": {"type": "DPO", "dpo": {"losses": [{"type": "Robust"}]}}}, "adviceLosses"),
        (
            {
                "method": {
                    "type": "DPO",
                    "dpo": {"losses": [{"type": "SigmoidNorm"}], "ldAlpha": 0.5},
                }
            },
            "adviceLosses",
        ),
        ({"training": {"precomputeReference": True}}, "adviceReference"),
        ({"training": {"epochs": 2}}, "adviceReference"),
        (
            {"method": {"type": "KTO"}, "training": {"epochs": 2, "precomputeReference": True}},
            "adviceReference",
        ),
    ],
)
def test_what_is_unusual_is_named(members: dict[str, Any], name: str) -> None:
    """One finding a field, and no other."""
    assert names(**members) == {name}


def test_a_range_depends_on_the_loss() -> None:
    """0.01 is much for DPO's drift and usual for IPO's gap."""
    assert names(method={"type": "DPO", "dpo": {"beta": 0.01}}) == {"adviceBeta"}
    ipo = {"beta": 0.01, "losses": [{"type": "IPO"}]}
    assert names(method={"type": "DPO", "dpo": ipo}) == set()


def test_the_message_names_the_field_its_value_and_the_range() -> None:
    """So that nobody has to look them up."""
    (finding,) = advice(resolved_spec(training=LENGTH | {"epochs": 0.5}), 1000, "Paired")
    assert finding.message.startswith("training.epochs is 0.5, usual is 1 to 2: ")


def test_pairs_are_two_examples_to_a_method_of_single_answers() -> None:
    """100 pairs are 25 steps of 8 answers, and 13 of 8 pairs."""
    assert names(rows=100, method={"type": "KTO"}) == set()
    assert names(rows=100, kind="Unpaired", method={"type": "KTO"}) == {"adviceSteps"}


def test_no_reference_needs_no_advice_on_it() -> None:
    """ORPO has none to precompute."""
    assert names(method={"type": "ORPO"}, training={"epochs": 2}) == set()
