"""Which method suits the data: every rule, alone and together."""

from itertools import combinations
from typing import Any

import pytest
import yaml

from preftrain_api.report import AuditReport, CheckResult, Lengths
from preftrain_api.spec import DatasetSpec, MethodSpec, TrainingSpec
from preftrain_api.spec.audit import DEFAULT_THRESHOLDS
from preftrain_trainer.audit.advice import RULES, Advice, Facts, advise

CONDITIONS: dict[str, dict[str, Any]] = {
    "verifiable": {"shares": {"verifiableAnswers": 0.8}},
    "noisyLabels": {"shares": {"contradictions": 0.2}},
    "lengthBias": {"beyond": ["longerChosen"]},
    "nearIdentical": {"beyond": ["nearIdenticalPairs"]},
    "fewExamples": {"train_rows": 300, "eval_rows": 100},
    "heldOut": {"eval_rows": 50},
    "tooShort": {"beyond": ["truncatedCompletions"]},
    "imbalance": {"shares": {"labelImbalance": 0.8}, "kind": "Unpaired"},
}


def lengths(part: str, longest: int) -> Lengths:
    names = ("count", "mean", "p5", "p25", "p50", "p75", "p95", "p99", "longest")
    figures = dict.fromkeys(names, longest)
    return Lengths.model_validate({"part": part, "unit": "Tokens", **figures})


def report(*conditions: dict[str, Any], **members: Any) -> AuditReport:
    shares: dict[str, float] = {}
    beyond: list[str] = []
    fields: dict[str, Any] = {"train_rows": 5000, "eval_rows": 300, "kind": "Paired"}
    for condition in (*conditions, members):
        shares |= condition.get("shares", {})
        beyond += condition.get("beyond", [])
        fields |= {k: v for k, v in condition.items() if k not in ("shares", "beyond")}
    checks = [
        CheckResult(name=name, outcome="Info", message="", value=value)
        for name, value in shares.items()
    ] + [CheckResult(name=name, outcome="Warning", message="", value=0.9) for name in beyond]
    return AuditReport(
        rows=6000,
        shape="",
        digest="sha256:" + "0" * 64,
        policy="Warn",
        thresholds=DEFAULT_THRESHOLDS,
        checks=tuple(checks),
        lengths=(lengths("Prompt", 1000), lengths("Chosen", 600), lengths("Rejected", 900)),
        **fields,
    )


def advised(*names: str, **members: Any) -> Advice:
    return advise(Facts(report(*(CONDITIONS[name] for name in names), **members)))


def test_every_rule_is_tried_here() -> None:
    """A rule without a condition below would never be tested."""
    assert {rule.name for rule in RULES} == set(CONDITIONS)


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_rule_speaks_when_its_condition_holds(name: str) -> None:
    """One sentence more than without, with its source."""
    (rule,) = (rule for rule in RULES if rule.name == name)

    reasons = advised(name).reasons

    assert [reason for reason in reasons[1:] if rule.source in reason]
    assert len(reasons) == 2


def test_without_a_condition_there_is_only_the_method() -> None:
    """Pairs without anything remarkable: DPO with its defaults."""
    advice = advised()

    assert len(advice.reasons) == 1
    assert advice.spec == {
        "method": {"type": "DPO", "dpo": {"beta": 0.1}},
        "training": {"epochs": 1, "learningRate": 5e-6},
    }


def test_labels_alone_are_for_kto() -> None:
    """Also for who wants no reference: ORPO needs pairs."""
    facts = Facts(report(kind="Unpaired"), without_reference=True)

    assert advise(facts).method == "KTO"
    assert advise(facts).spec["method"] == {"type": "KTO", "kto": {"beta": 0.1}}


def test_without_a_reference_pairs_are_for_orpo() -> None:
    """With its own learning rate, and without settings of DPO."""
    facts = Facts(report(CONDITIONS["lengthBias"], CONDITIONS["noisyLabels"]), True)

    assert advise(facts).spec == {
        "method": {"type": "ORPO", "orpo": {"beta": 0.1}},
        "training": {"epochs": 1, "learningRate": 8e-6},
    }


@pytest.mark.parametrize(
    ("names", "dpo"),
    [
        (("lengthBias",), {"losses": [{"type": "SigmoidNorm"}]}),
        (("nearIdentical",), {"losses": [{"type": "Sigmoid"}, {"type": "SFT"}]}),
        (("noisyLabels",), {"losses": [{"type": "Robust"}], "labelSmoothing": 0.1}),
        (
            ("noisyLabels", "lengthBias", "nearIdentical"),
            {
                "losses": [{"type": "Robust"}, {"type": "SFT"}],
                "labelSmoothing": 0.1,
                "ldAlpha": 0.5,
            },
        ),
    ],
)
def test_losses_of_several_rules_go_together(names: tuple[str, ...], dpo: dict[str, Any]) -> None:
    """There is one main loss; a second rule takes its other way."""
    assert advised(*names).spec["method"]["dpo"] == {"beta": 0.1, **dpo}


def test_settings_follow_the_figures() -> None:
    """What is held out suffices for the gate, and what is long fits."""
    advice = advised("heldOut", "tooShort")

    assert advice.spec["dataset"] == {"evalFraction": 0.02}
    assert advice.spec["training"]["maxLength"] == 2048


@pytest.mark.parametrize("without_reference", [False, True])
@pytest.mark.parametrize("count", [1, 2, len(CONDITIONS)])
def test_every_snippet_is_accepted(count: int, without_reference: bool) -> None:
    """Whatever rules come together, the result is part of a valid manifest."""
    for names in combinations(CONDITIONS, count):
        found = report(*(CONDITIONS[name] for name in names))
        spec = yaml.safe_load(yaml.safe_dump(advise(Facts(found, without_reference)).spec))

        MethodSpec.parse(spec["method"])
        TrainingSpec.parse(spec["training"])
        DatasetSpec.parse({"uri": "hf://a/b", **spec.get("dataset", {})})
