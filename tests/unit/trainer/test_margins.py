"""How every held-out pair was judged, as a file."""

import json
from pathlib import Path
from typing import Any

import pytest

from preftrain_api.report import Evaluation
from preftrain_api.spec import DpoSpec, MethodSpec
from preftrain_trainer.evaluation.history import note_evaluation
from preftrain_trainer.evaluation.margins import margins_of, write_margins
from preftrain_trainer.methods.objective import Objective
from preftrain_trainer.methods.scores import Likelihood, PairScore, Score
from preftrain_trainer.methods.table import method_of


def answer(policy: float, reference: float, tokens: int) -> Score:
    return Score(Likelihood(policy, tokens, policy), Likelihood(reference, tokens, reference))


def pair(chosen: tuple[float, float, int], rejected: tuple[float, float, int]) -> PairScore:
    return PairScore(answer(*chosen), answer(*rejected))


def objective(beta: float) -> Objective[Any]:
    method = MethodSpec(type="DPO", dpo=DpoSpec(beta=beta))
    return method_of(method).objective(method)


def test_margins_are_beta_times_log_ratios_in_the_order_of_the_rows() -> None:
    """However the pairs were batched; rows of one source row keep their order."""
    pairs = [
        pair((-10.0, -12.0, 4), (-30.0, -28.0, 9)),
        pair((-5.0, -5.0, 2), (-6.0, -5.0, 3)),
        pair((-7.0, -7.0, 5), (-8.0, -9.0, 6)),
    ]
    first, second, third = margins_of([7, 3, 7], pairs, objective(beta=0.5))
    assert (first.row, second.row, third.row) == (3, 7, 7)
    assert (second.chosen_reward, second.rejected_reward, second.margin) == (1.0, -1.0, 2.0)
    assert (second.chosen_tokens, second.rejected_tokens) == (4, 9)
    assert third.margin == -0.5


def test_the_file_holds_a_line_a_pair_and_no_text(tmp_path: Path) -> None:
    """Figures and row numbers alone."""
    same = pair((-1.0, -1.0, 1), (-2.0, -2.0, 2))
    write_margins(tmp_path / "margins.jsonl", margins_of([1], [same], objective(beta=0.1)))
    (line,) = (tmp_path / "margins.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "row": 1,
        "chosen_reward": 0.0,
        "rejected_reward": 0.0,
        "margin": 0.0,
        "chosen_tokens": 1,
        "rejected_tokens": 2,
    }


def test_evaluations_are_noted_with_their_step(tmp_path: Path) -> None:
    """One line each, and the evaluation goes on as it came."""
    path = tmp_path / "evaluations.jsonl"
    found = Evaluation(
        pairs=3, reward_accuracy=1, accuracy_low=0.4, accuracy_high=1, reward_margin=0.2
    )
    assert note_evaluation(path, 5, found) is found
    note_evaluation(path, 10, found)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [5, 10]
    assert json.loads(path.read_text().splitlines()[0])["rewardMargin"] == pytest.approx(0.2)


def test_an_adapter_that_is_judged_again_has_one_line(tmp_path: Path) -> None:
    """The best one is, once training has ended; a resumed run may be, too."""
    path = tmp_path / "evaluations.jsonl"
    first = Evaluation(
        pairs=3, reward_accuracy=1, accuracy_low=0.4, accuracy_high=1, reward_margin=0.2
    )
    for step, margin in ((5, 0.2), (10, 0.3), (5, 0.4)):
        note_evaluation(path, step, first.model_copy(update={"reward_margin": margin}))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["step"], line["rewardMargin"]) for line in lines] == [(10, 0.3), (5, 0.4)]


def test_a_run_without_held_out_pairs_has_no_evaluations(tmp_path: Path) -> None:
    """No file is better than an empty one."""
    assert note_evaluation(tmp_path / "evaluations.jsonl", 5, None) is None
    assert list(tmp_path.iterdir()) == []
