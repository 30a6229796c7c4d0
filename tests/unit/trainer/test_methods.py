"""The table of methods and the exact loss of the first step."""

from math import log
from typing import Any

import pytest

from preftrain_api.capabilities import SUPPORTED_LOSSES
from preftrain_trainer.errors import BadSpec
from preftrain_trainer.methods.table import LOSSES, PairScore, method_of
from support.specs import resolved_spec


def objective(**dpo: Any) -> Any:
    spec = resolved_spec(method={"type": "DPO", "dpo": dpo})
    return method_of(spec.method).objective(spec.method)


@pytest.mark.parametrize(
    ("losses", "beta", "constant"),
    [
        (None, 0.1, log(2)),
        ([{"type": "Sigmoid"}], 0.5, log(2)),
        ([{"type": "Hinge"}], 0.1, 1.0),
        ([{"type": "IPO"}], 0.1, 25.0),
        ([{"type": "IPO"}], 0.5, 1.0),
        (
            [{"type": "Sigmoid", "weight": 2.0}, {"type": "Hinge", "weight": 0.5}],
            0.1,
            2 * log(2) + 0.5,
        ),
        ([{"type": "SFT"}], 0.1, 0.0),
    ],
)
def test_the_first_loss_has_a_known_value(
    losses: list[dict[str, Any]] | None, beta: float, constant: float
) -> None:
    """Sigmoid ln 2, Hinge 1, IPO (1 / 2 beta)^2, times their weights."""
    given = {"beta": beta} | ({"losses": losses} if losses else {})
    assert objective(**given).at_start() == pytest.approx(constant, abs=1e-12)


def test_a_likelihood_term_adds_what_was_measured() -> None:
    """SFT has no constant: its weight times the measured value comes on top."""
    mixed = objective(losses=[{"type": "Sigmoid"}, {"type": "SFT", "weight": 0.25}])
    assert mixed.likelihood_weight == 0.25
    assert mixed.at_start(3.0) == pytest.approx(log(2) + 0.75)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [("Sigmoid", 0.37110), ("Hinge", 0.2), ("IPO", (0.5 - (-0.3) - 5) ** 2)],
)
def test_losses_of_a_trained_pair(loss: str, expected: float) -> None:
    """Beta 0.1, ratios 5 and -3 nats on answers of 10 tokens: delta is 8."""
    score = PairScore(5.0, -3.0, 10, 10)
    assert objective(losses=[{"type": loss}]).of_pair(score) == pytest.approx(expected, abs=1e-5)


def test_a_hopeless_pair_does_not_overflow() -> None:
    """The sigmoid loss grows linearly however wrong a pair is."""
    assert objective(beta=100.0).of_pair(PairScore(-1e4, 1e4, 1, 1)) == pytest.approx(2e6)


def test_the_table_holds_what_the_release_promises() -> None:
    """Every supported loss is in the table, and nothing else."""
    assert set(LOSSES) == SUPPORTED_LOSSES


def test_label_smoothing_that_no_loss_reads_is_refused() -> None:
    """TRL would take the argument and ignore it."""
    with pytest.raises(BadSpec, match=r"method\.dpo\.labelSmoothing"):
        objective(labelSmoothing=0.1)


def test_another_method_is_refused_by_name() -> None:
    """The sentence says what there is instead."""
    spec = resolved_spec(method={"type": "KTO"})
    with pytest.raises(BadSpec, match=r"method\.type KTO .* use DPO"):
        method_of(spec.method)
