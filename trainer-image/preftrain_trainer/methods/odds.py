"""ORPO's loss, written from its paper in 64 bits (arXiv 2403.07691). Pure."""

from collections.abc import Sequence
from math import expm1, log
from statistics import fmean

from preftrain_trainer.methods.losses import log_sigma
from preftrain_trainer.methods.scores import Likelihood, PairScore


def orpo(pairs: Sequence[PairScore], beta: float) -> float:
    """Equation 6: likelihood of the chosen texts plus beta times the odds-ratio loss.

    The likelihood part is the mean negative log-likelihood of a token over the micro-batch,
    prompts included, as in the authors' and TRL's implementations.
    """
    likelihoods = [pair.chosen.policy for pair in pairs]
    total = sum(each.total + each.prompt for each in likelihoods)
    tokens = sum(each.tokens + each.prompt_tokens for each in likelihoods)
    return -total / tokens - beta * fmean(log_sigma(log_odds_ratio(pair)) for pair in pairs)


def log_odds_ratio(pair: PairScore) -> float:
    """Log of odds(chosen) / odds(rejected), equations 3 to 5, with P the geometric mean of the
    answer's token probabilities.
    """
    return _log_odds(pair.chosen.policy) - _log_odds(pair.rejected.policy)


def _log_odds(answer: Likelihood) -> float:
    """log(P / (1 - P))."""
    return answer.mean - log(-expm1(answer.mean))
