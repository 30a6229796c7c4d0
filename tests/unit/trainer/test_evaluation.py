"""Figures from scores, and the held-out loss. The scoring itself is tested on a real model."""

from collections.abc import Sequence
from math import inf, nan
from typing import Any

import pytest

from preftrain_trainer.data.lazy import Lazy
from preftrain_trainer.errors import GuardStopped
from preftrain_trainer.evaluation.batches import BATCHES, mean_loss
from preftrain_trainer.evaluation.evaluate import summarize
from preftrain_trainer.methods.labels import LABEL_LOSSES
from preftrain_trainer.methods.losses import LOSSES, Settings
from preftrain_trainer.methods.objective import LabelObjective, OddsObjective, PairObjective
from preftrain_trainer.methods.scores import UNKNOWN, Likelihood, PairScore, Score
from preftrain_trainer.model.likelihood import Passage

DPO = PairObjective(((LOSSES["Sigmoid"], 1.0),), Settings(0.1))


def score(policy: float, reference: float = -10.0, tokens: int = 10) -> Score:
    return Score(Likelihood(policy, tokens, policy), Likelihood(reference, tokens, reference))


def test_a_tie_counts_as_wrong() -> None:
    """So an untrained adapter has an accuracy of 0."""
    found = summarize([PairScore(UNKNOWN, UNKNOWN)] * 3, DPO, 0.5)
    assert (found.pairs, found.reward_accuracy, found.reward_margin, found.loss) == (3, 0, 0, 0.5)


def test_rewards_compare_with_the_reference_or_answers_with_each_other() -> None:
    """The same pair is right for one and wrong for the other."""
    pair = PairScore(score(-9.0), score(-2.0, reference=-3.0, tokens=10))
    other = PairScore(score(-9.0, reference=-8.0), score(-12.0, reference=-20.0))
    dpo = summarize([other], DPO, 0.0)
    assert dpo.reward_accuracy == 0
    assert dpo.reward_margin == pytest.approx(0.1 * (-1 - 8))
    orpo = summarize([other], OddsObjective(0.1), 0.0)
    assert orpo.reward_accuracy == 1
    assert orpo.reward_margin == pytest.approx(0.1 * 0.3)
    assert summarize([pair], OddsObjective(0.1), 0.0).reward_accuracy == 0


@pytest.mark.parametrize(("policy", "loss"), [(nan, 0.5), (inf, 0.5), (-9.0, nan), (-9.0, inf)])
def test_a_model_that_gives_no_numbers_ends_the_run(policy: float, loss: float) -> None:
    """The last update may have made it so, and no step follows that a guard could judge."""
    with pytest.raises(GuardStopped, match=r"NonFinite: on the held-out pairs the loss is"):
        summarize([PairScore(score(policy), UNKNOWN)], DPO, loss)


def test_the_log_ratio_counts_every_token() -> None:
    """Also where ldAlpha lets the loss count fewer."""
    chosen = Score(Likelihood(-5.0, 10, -4.0), Likelihood(-9.0, 10, -8.5))
    assert summarize([PairScore(chosen, UNKNOWN)], DPO, 0.0).chosen_log_ratio == 4.0


def test_pairs_are_cut_into_micro_batches() -> None:
    """The last one counts for as many pairs as it holds."""
    scores = [PairScore(score(-10.0 + n), UNKNOWN) for n in range(5)]
    batches = BATCHES["Pairs"]([], scores, 2, None)
    assert [len(batch) for batch in batches] == [2, 2, 1]
    whole = DPO.loss(scores)
    assert mean_loss(batches, DPO) == pytest.approx(whole)


def test_answers_are_mismatched_as_in_training() -> None:
    """Good and bad in turn, each prompt with the answer before it in the micro-batch."""
    passages = [(Passage((n,), (n, 1), 2), Passage((n + 50,), (n, 0), 2)) for n in range(3)]
    scores = [PairScore(score(-9.0), score(-11.0))] * 3
    asked: list[tuple[Any, Any]] = []

    def mismatch(both: Sequence[tuple[Passage, Passage]]) -> list[Score]:
        asked.extend((own.prompt, other.answer) for own, other in both)
        return [score(-10.0 + at) for at in range(len(both))]

    batches = BATCHES["Answers"](passages, scores, 4, mismatch)
    assert [[each.desirable for each in batch] for batch in batches] == [
        [True, False, True, False],
        [True, False],
    ]
    assert asked[:4] == [((0,), (1, 0)), ((50,), (0, 1)), ((1,), (0, 0)), ((51,), (1, 1))]
    assert asked[4:] == [((2,), (2, 0)), ((52,), (2, 1))]
    assert [each.mismatched.ratio for each in batches[1]] == [4.0, 5.0]


def test_held_out_passages_are_read_one_by_one() -> None:
    """All of a large set need not fit into memory: nothing is read before it is scored."""
    read: list[int] = []

    def pair(at: int) -> tuple[Passage, Passage]:
        read.append(at)
        return Passage((at,), (1,), 1), Passage((at,), (0,), 1)

    def mismatch(both: Sequence[tuple[Passage, Passage]]) -> list[Score]:
        assert not read
        assert both[4][0].prompt == (2,)
        assert set(read) == {2, 3}
        return [UNKNOWN] * len(both)

    scores = [PairScore(score(-9.0), score(-11.0))] * 100
    BATCHES["Answers"](Lazy(100, pair), scores, 4, mismatch)

    assert set(read) == {2, 3}, "those of two passages in one micro-batch"


def test_a_loss_without_mismatched_answers_needs_no_scores_of_them() -> None:
    """Two forward passes are spared."""
    scores = [PairScore(score(-9.0), score(-11.0))]
    batches = BATCHES["Answers"]([(Passage((1,), (2,), 1),) * 2], scores, 4, None)
    objective = LabelObjective(LABEL_LOSSES["APOZeroUnpaired"], 0.1, 1.0, 1.0)
    assert mean_loss(batches, objective) == pytest.approx(0.475, abs=1e-3)
