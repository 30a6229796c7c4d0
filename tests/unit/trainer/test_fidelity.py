"""Whether merged weights compute what the adapter does."""

import numpy as np
import pytest

from preftrain_api.manifest import MergedWeights
from preftrain_trainer.publishing.fidelity import TOLERANCE, compare, verdict
from preftrain_trainer.publishing.plain_model import Logits


def logits(seed: int) -> Logits:
    return np.random.default_rng(seed).normal(0, 2, (6, 50)).astype(np.float32)


def test_differences_are_in_standard_deviations_of_the_adapters_logits() -> None:
    """One logit off by one, another by two for the base."""
    adapter = logits(1)
    merged, base = adapter.copy(), adapter.copy()
    merged[2, 7] += 1.0
    base[3, 1] -= 2.0
    found = compare([adapter[:4], adapter[4:]], [base[:4], base[4:]], [merged[:4], merged[4:]])
    unit = (adapter - adapter.mean(axis=1, keepdims=True)).std()
    assert found.tokens == 6
    # Taking the mean off spreads a fiftieth of the change over all logits of the position.
    assert found.merged == pytest.approx(0.98 / unit, rel=1e-5)
    assert found.base == pytest.approx(1.96 / unit, rel=1e-5)


def test_a_constant_changes_nothing() -> None:
    """Adding it to all logits of a position leaves every probability as it was."""
    adapter = logits(1)
    found = compare([adapter], [adapter], [adapter + 100.0])
    assert found.merged < 1e-4


def test_a_number_that_is_none_can_never_pass() -> None:
    """A merge that overflowed must not slip through a comparison."""
    adapter, merged = logits(1), logits(1)
    merged[0, 0] = np.nan
    assert compare([adapter], [adapter], [merged]).merged > max(TOLERANCE.values())


@pytest.mark.parametrize(("difference", "passed"), [(0.1, True), (0.1001, False), (1e9, False)])
def test_the_tolerance_is_a_gate(difference: float, passed: bool) -> None:
    """At it the weights are published, beyond it withheld, and the verdict says both figures."""
    merged = MergedWeights(
        dtype="BF16",
        tokens=8,
        largest_difference=difference,
        tolerance=TOLERANCE["FP32"],
        largest_effect=1.0,
        retained=1.0,
    )
    found = verdict(merged)
    assert (found.passed, found.value, found.threshold) == (passed, difference, 0.1)
    assert (found.metric, found.operator) == ("MergedLogitDifference", "AtMost")
