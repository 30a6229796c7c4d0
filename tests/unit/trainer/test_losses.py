"""The formulas of the losses, on numbers that can be followed by hand."""

from math import exp, isfinite, log
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftrain_api.resolve import COUPLED_LOSSES
from preftrain_api.spec.method import DpoLossType
from preftrain_trainer.methods.labels import LABEL_LOSSES, label_loss
from preftrain_trainer.methods.losses import LOSSES, Settings, log_sigma, sigma
from preftrain_trainer.methods.objective import LabelObjective, OddsObjective, PairObjective
from preftrain_trainer.methods.odds import log_odds_ratio, orpo
from preftrain_trainer.methods.scores import (
    UNKNOWN,
    LabelledScore,
    Likelihood,
    PairScore,
    Score,
    untrained,
)


def score(ratio: float, tokens: int = 10, reference: float = -20.0) -> Score:
    """An answer that gained `ratio` nats."""
    policy = reference + ratio
    return Score(Likelihood(policy, tokens, policy), Likelihood(reference, tokens, reference))


def pair(chosen: float, rejected: float) -> PairScore:
    return PairScore(score(chosen), score(rejected, tokens=5, reference=-40.0))


PAIR = pair(5.0, -3.0)
"""At beta 0.1 delta 8, rewards 0.5 and -0.3."""


def of(name: Any, *pairs: PairScore, beta: float = 0.1, eps: float = 0.0) -> float:
    return LOSSES[name].of_batch(pairs, Settings(beta, eps))


@pytest.mark.parametrize(
    ("loss", "eps", "expected"),
    [
        ("Sigmoid", 0.0, log(1 + exp(-0.8))),
        ("Hinge", 0.0, 0.2),
        ("IPO", 0.0, (0.5 + 0.6 - 5) ** 2),
        (
            "ExoPair",
            0.1,
            sigma(0.8) * (log(sigma(0.8)) - log(0.9)) + sigma(-0.8) * (log(sigma(-0.8)) - log(0.1)),
        ),
        ("NCAPair", 0.0, -log(sigma(0.5)) - 0.5 * log(sigma(-0.5)) - 0.5 * log(sigma(0.3))),
        ("Robust", 0.2, (0.8 * -log(sigma(0.8)) - 0.2 * -log(sigma(-0.8))) / 0.6),
        ("BCOPair", 0.0, -log(sigma(0.5)) - log(sigma(0.3))),
        ("SPPOHard", 0.0, 0.0 + (-3 + 5) ** 2),
        ("AOT", 0.2, 0.8 * -log(sigma(0.8)) + 0.2 * -log(sigma(-0.8))),
        ("AOTUnpaired", 0.0, -log(sigma(0.8))),
        ("APOZero", 0.0, 1 - sigma(0.5) + sigma(-0.3)),
        ("APODown", 0.0, sigma(0.5) + 1 - sigma(0.8)),
        ("Discopop", 0.0, sigma(-16) * -log(sigma(0.8)) + sigma(16) * exp(-0.8)),
        ("SigmoidNorm", 0.0, -log(sigma(0.1 * 1.1))),
        ("SFT", 0.0, 1.5),
    ],
)
def test_a_pair_costs_what_the_paper_says(loss: str, eps: float, expected: float) -> None:
    """Chosen gained 5 nats on 10 tokens, rejected lost 3 on 5."""
    assert of(loss, PAIR, eps=eps) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"AOT", "AOTUnpaired", "SFT"}))
def test_a_batch_costs_the_mean_of_its_pairs(name: DpoLossType) -> None:
    """Where pairs are not compared with one another."""
    other = pair(-1.0, 2.0)
    mean = (of(name, PAIR, eps=0.1) + of(name, other, eps=0.1)) / 2
    assert of(name, PAIR, other, eps=0.1) == pytest.approx(mean)
    assert LOSSES[name].coupling == "None"


def test_optimal_transport_compares_what_is_sorted() -> None:
    """Which chosen answer belongs to which rejected one plays no part."""
    one, two = pair(5.0, 1.0), pair(1.0, 5.0)
    swapped = [PairScore(one.chosen, two.rejected), PairScore(two.chosen, one.rejected)]
    assert of("AOTUnpaired", one, two) == pytest.approx(log(2))
    assert of("AOTUnpaired", *swapped) == pytest.approx(log(2))
    # Sorted policy margins 24 and 16 against reference margins of 20 each.
    assert of("AOT", one, two) == pytest.approx((-log(sigma(0.4)) - log(sigma(-0.4))) / 2)
    assert of("Sigmoid", *swapped) == pytest.approx(-log(sigma(0)))


def test_the_contract_knows_which_losses_compare_pairs() -> None:
    """Their micro-batch is resolved to a number, not left to the machine."""
    assert {name for name, loss in LOSSES.items() if loss.coupling == "Pairs"} == COUPLED_LOSSES


def test_a_likelihood_is_a_mean_over_tokens() -> None:
    """A long answer counts more than a short one."""
    short = PairScore(untrained(Likelihood(-2.0, 1, -2.0)), UNKNOWN)
    long = PairScore(untrained(Likelihood(-3.0, 3, -3.0)), UNKNOWN)
    assert of("SFT", short, long) == pytest.approx(5 / 4)


@given(
    chosen=st.floats(-1e5, 1e5),
    rejected=st.floats(-1e5, 1e5),
    beta=st.floats(1e-3, 100),
)
def test_hopeless_pairs_do_not_overflow(chosen: float, rejected: float, beta: float) -> None:
    """However wrong a pair is, every loss is a number; Discopop's exponential is cut to inf."""
    for name in LOSSES:
        value = of(name, pair(chosen, rejected), beta=beta, eps=0.1)
        assert isfinite(value) or (name == "Discopop" and value > 0), name


def test_an_exponential_that_is_too_large_is_infinite() -> None:
    """With a high temperature Discopop keeps its exponential for lost pairs."""
    lost = LOSSES["Discopop"].of_batch([pair(-1e4, 1e4)], Settings(0.1, discopop_tau=100.0))
    assert lost == float("inf")


@given(x=st.floats(-700, 700))
def test_the_logistic_function_and_its_logarithm_agree(x: float) -> None:
    """On both sides of 0."""
    assert sigma(x) + sigma(-x) == pytest.approx(1)
    assert exp(log_sigma(x)) == pytest.approx(sigma(x))


def test_terms_are_added_with_their_weights() -> None:
    """And the reward is beta times the gain."""
    objective = PairObjective(
        ((LOSSES["Sigmoid"], 2.0), (LOSSES["Hinge"], 0.5)), Settings(0.1), tail_weight=0.5
    )
    assert objective.loss([PAIR]) == pytest.approx(2 * of("Sigmoid", PAIR) + 0.1)
    assert objective.reward(PAIR.chosen) == pytest.approx(0.5)
    assert not objective.measured
    assert PairObjective(((LOSSES["SFT"], 1.0),), Settings(0.1)).measured
    assert not PairObjective(((LOSSES["SFT"], 0.0),), Settings(0.1)).measured


def test_odds_ratio() -> None:
    """Per-token probabilities 1/2 and 1/4: odds 1 and 1/3, so the log odds ratio is ln 3; the
    likelihood goes over prompt and chosen answer.
    """
    chosen = Likelihood(4 * log(0.5), 4, 4 * log(0.5), prompt=-7.0, prompt_tokens=3)
    rejected = Likelihood(2 * log(0.25), 2, 2 * log(0.25))
    both = PairScore(untrained(chosen), untrained(rejected))
    assert log_odds_ratio(both) == pytest.approx(log(3))
    expected = (4 * log(2) + 7) / 7 + 0.1 * -log(3 / 4)
    assert orpo([both], 0.1) == pytest.approx(expected)
    objective = OddsObjective(0.1)
    assert objective.loss([both]) == pytest.approx(expected)
    assert objective.reward(both.chosen) == pytest.approx(0.1 * log(0.5))


def labelled(ratio: float, desirable: bool, mismatched: float = 0.0) -> LabelledScore:
    return LabelledScore(score(ratio), desirable, score(mismatched))


def test_labelled_answers_cost_what_they_lack_of_the_full_value() -> None:
    """Gains are compared with the mean gain of the mismatched answers."""
    batch = [labelled(5.0, True, 3.0), labelled(-3.0, False, 1.0)]
    expected = (1.5 * (1 - sigma(0.1 * (5 - 2))) + 2.0 * (1 - sigma(0.1 * (2 + 3)))) / 2
    assert label_loss(batch, LABEL_LOSSES["KTO"], 0.1, 1.5, 2.0) == pytest.approx(expected)


def test_the_point_of_comparison_is_never_below_zero() -> None:
    """Mismatched answers that lost do not make everything a gain."""
    lost = [labelled(1.0, True, -30.0)]
    at_zero = [labelled(1.0, True, 0.0)]
    loss = LABEL_LOSSES["KTO"]
    assert label_loss(lost, loss, 0.1, 1, 1) == label_loss(at_zero, loss, 0.1, 1, 1)


def test_one_loss_of_labels_has_no_point_of_comparison() -> None:
    """It does without the mismatched answers' two forward passes."""
    batch = [labelled(5.0, True, 100.0), labelled(-3.0, False, 100.0)]
    objective = LabelObjective(LABEL_LOSSES["APOZeroUnpaired"], 0.1, 1.0, 1.0)
    assert not objective.mismatches
    assert objective.loss(batch) == pytest.approx((1 - sigma(0.5) + sigma(-0.3)) / 2)
    assert objective.reward(batch[0].answer) == pytest.approx(0.5)
    assert LabelObjective(LABEL_LOSSES["KTO"], 0.1, 1.0, 1.0).mismatches
