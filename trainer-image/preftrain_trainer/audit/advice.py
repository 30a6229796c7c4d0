"""Which method suits the data, with which settings, and why. Pure.

A table of rules over a report. The first rule of `METHODS` that applies chooses the method;
every rule of `RULES` that applies adds a sentence and, for that method, settings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final

from preftrain_api.report import AuditReport, CheckResult
from preftrain_api.resolve import LEARNING_RATE
from preftrain_api.spec.method import DpoLossType, MethodType

_HELD_OUT: Final = 100
"""The default gate needs as many."""
_FEW: Final = 1000
_MOSTLY: Final = 0.5
_NOISE: Final = 0.005
_LENGTH_STEP: Final = 512


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules look at.

    Attributes:
        report: of the audit.
        without_reference: whether a reference model is to be done without.
    """

    report: AuditReport
    without_reference: bool = False

    def share(self, name: str) -> float:
        """What a check measured; 0 where it was not made."""
        check = self._check(name)
        return 0.0 if check is None or check.value is None else check.value

    def beyond(self, name: str) -> bool:
        """Whether a check is beyond its threshold."""
        check = self._check(name)
        return check is not None and check.outcome in ("Warning", "Error")

    def _check(self, name: str) -> CheckResult | None:
        return next((check for check in self.report.checks if check.name == name), None)

    @property
    def is_paired(self) -> bool:
        """Whether rows hold two answers."""
        return self.report.kind == "Paired"


@dataclass(frozen=True, slots=True)
class Choice:
    """Chooses a method."""

    method: MethodType
    applies: Callable[[Facts], bool]
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What a rule sets, by member of the spec."""

    loss: DpoLossType | None = None
    """Replaces the Sigmoid loss, unless an earlier rule has."""
    term: DpoLossType | None = None
    """A further term of the loss."""
    dpo: Mapping[str, Any] = field(default_factory=dict)
    dpo_otherwise: Mapping[str, Any] = field(default_factory=dict)
    """In place of `loss`, when an earlier rule has chosen one."""
    training: Mapping[str, Any] = field(default_factory=dict)
    dataset: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """One piece of advice."""

    name: str
    applies: Callable[[Facts], bool]
    says: Callable[[Facts], str]
    source: str
    sets: Callable[[Facts], Settings] = lambda _: Settings()


@dataclass(frozen=True, slots=True)
class Advice:
    """What is recommended."""

    method: MethodType
    reasons: tuple[str, ...]
    """Sentences, that for the method first."""
    spec: dict[str, Any]
    """The members `dataset`, `method` and `training`, ready for a manifest."""


METHODS: Final = (
    Choice(
        "KTO",
        lambda facts: not facts.is_paired,
        "every row has one answer and a label, which KTO learns from without pairs",
        "arXiv 2402.01306",
    ),
    Choice(
        "ORPO",
        lambda facts: facts.without_reference,
        "ORPO learns from pairs without a reference model, in one forward pass fewer: good for a "
        "first trial, and for a base model that was never tuned to answer",
        "arXiv 2403.07691",
    ),
    Choice(
        "DPO",
        lambda _: True,
        "the rows are pairs, and DPO holds the model near to where it starts; for a trial without "
        "a reference model take ORPO (--without-reference)",
        "arXiv 2305.18290",
    ),
)


def _eval_fraction(facts: Facts) -> float:
    usable = facts.report.train_rows + facts.report.eval_rows
    return min(0.5, ceil(1000 * _HELD_OUT / usable) / 1000)


def _noise(facts: Facts) -> float:
    """Two labels of one pair that disagree: one of them is wrong."""
    return round(min(max(facts.share("contradictions") / 2, 0.05), 0.3), 2)


def _needed_length(facts: Facts) -> int:
    tokens = [row for row in facts.report.lengths if row.unit == "Tokens"]
    prompt = max((row.p99 for row in tokens if row.part == "Prompt"), default=0)
    answer = max((row.p99 for row in tokens if row.part != "Prompt"), default=0)
    return _LENGTH_STEP * ceil((prompt + answer) / _LENGTH_STEP)


RULES: Final = (
    Rule(
        "verifiable",
        lambda facts: facts.share("verifiableAnswers") > _MOSTLY,
        lambda facts: (
            f"{facts.share('verifiableAnswers'):.0%} of the good answers could be verified by a "
            "program: an on-policy method that learns from its verdict (GRPO and its kin) would "
            "serve better than fixed preferences; it is not among the methods here"
        ),
        "arXiv 2402.03300; arXiv 2411.15124, section 6",
    ),
    Rule(
        "noisyLabels",
        lambda facts: facts.is_paired and facts.share("contradictions") > _NOISE,
        lambda facts: (
            f"{facts.share('contradictions'):.1%} of the rows are contradicted by others: the "
            "Robust loss with labelSmoothing expects some labels to be wrong; IPO is the other "
            "choice that does not chase each single one"
        ),
        "arXiv 2403.00409; arXiv 2310.12036",
        lambda facts: Settings(loss="Robust", dpo={"labelSmoothing": _noise(facts)}),
    ),
    Rule(
        "lengthBias",
        lambda facts: facts.beyond("longerChosen") or facts.beyond("lengthRatio"),
        lambda facts: (
            f"the chosen answer is the longer one in {facts.share('longerChosen'):.0%} of the "
            "pairs, or the two differ much: SigmoidNorm compares likelihoods a token, and ldAlpha "
            "takes weight from what a longer answer has more, so that length is not what is learnt"
        ),
        "arXiv 2403.19159; arXiv 2409.06411",
        lambda _: Settings(loss="SigmoidNorm", dpo_otherwise={"ldAlpha": 0.5}),
    ),
    Rule(
        "nearIdentical",
        lambda facts: facts.beyond("nearIdenticalPairs"),
        lambda facts: (
            f"the answers of {facts.share('nearIdenticalPairs'):.0%} of the pairs are nearly the "
            "same, where DPO lowers the likelihood of both: an SFT term keeps the chosen one likely"
        ),
        "arXiv 2402.13228; arXiv 2410.08847",
        lambda _: Settings(term="SFT"),
    ),
    Rule(
        "fewExamples",
        lambda facts: facts.report.train_rows < _FEW,
        lambda facts: (
            f"{facts.report.train_rows} examples are few: two epochs show each of them twice; "
            "collect more before you judge the method by the result"
        ),
        "ours; quality falls again with more epochs (arXiv 2406.02900)",
        lambda _: Settings(training={"epochs": 2}),
    ),
    Rule(
        "heldOut",
        lambda facts: (
            facts.report.eval_rows < _HELD_OUT
            and facts.report.train_rows + facts.report.eval_rows >= 4 * _HELD_OUT
        ),
        lambda facts: (
            f"{facts.report.eval_rows} examples are held out, and the default gate needs "
            f"{_HELD_OUT}: hold out {_eval_fraction(facts):.1%}"
        ),
        "the default gate",
        lambda facts: Settings(dataset={"evalFraction": _eval_fraction(facts)}),
    ),
    Rule(
        "tooShort",
        lambda facts: facts.beyond("promptTooLong") or facts.beyond("truncatedCompletions"),
        lambda facts: (
            "many examples do not fit training.maxLength; 99 % would within "
            f"{_needed_length(facts)} tokens, where memory allows"
        ),
        "ours",
        lambda facts: Settings(training={"maxLength": _needed_length(facts)}),
    ),
    Rule(
        "imbalance",
        lambda facts: not facts.is_paired and facts.share("labelImbalance") > 4 / 7,
        lambda facts: (
            f"{facts.share('labelImbalance'):.0%} of the answers have the same label: leave "
            "desirableWeight and undesirableWeight out, and they follow the counts"
        ),
        "arXiv 2402.01306, equation 8",
    ),
)


def advise(facts: Facts) -> Advice:
    """The method and settings for these data."""
    choice = next(choice for choice in METHODS if choice.applies(facts))
    rules = [rule for rule in RULES if rule.applies(facts)]
    reasons = [f"{choice.method}: {choice.why} ({choice.source})"]
    reasons += [f"{rule.says(facts)} ({rule.source})" for rule in rules]
    return Advice(choice.method, tuple(reasons), _spec(choice.method, facts, rules))


def _spec(method: MethodType, facts: Facts, rules: list[Rule]) -> dict[str, Any]:
    training: dict[str, Any] = {"epochs": 1, "learningRate": LEARNING_RATE[method]}
    dataset: dict[str, Any] = {}
    own: dict[str, Any] = {"beta": 0.1}
    loss: DpoLossType | None = None
    terms: list[DpoLossType] = []
    for rule in rules:
        sets = rule.sets(facts)
        training |= sets.training
        dataset |= sets.dataset
        if method != "DPO":
            continue
        own |= sets.dpo
        if sets.loss is not None and loss is None:
            loss = sets.loss
        elif sets.loss is not None:
            own |= sets.dpo_otherwise
        terms += [sets.term] if sets.term else []
    if loss or terms:
        own["losses"] = [{"type": name} for name in (loss or "Sigmoid", *terms)]
    spec: dict[str, Any] = {"dataset": dataset} if dataset else {}
    return spec | {"method": {"type": method, method.lower(): own}, "training": training}
