"""Sets that say which model wrote an answer, and how it was rated."""

from pathlib import Path
from typing import Any

import pytest

from preftrain_trainer.audit.authors import measures
from preftrain_trainer.audit.check import Measure
from preftrain_trainer.data.pairs import LoadedData
from preftrain_trainer.data.tally import Authors
from support.trainer_cases import Rows, load_data, run_spec, write_rows


def load(tmp_path: Path, rows: Rows) -> LoadedData:
    write_rows(tmp_path / "data.jsonl", rows)
    return load_data(run_spec(tmp_path), tmp_path)


def measured(tmp_path: Path, rows: Rows) -> Measure:
    (found,) = measures(load(tmp_path, rows))
    return found


def binarized(number: int, chosen: Any, rejected: Any) -> dict[str, Any]:
    return {
        "prompt": f"q {number}",
        "chosen": "a",
        "rejected": "b",
        "chosen-model": chosen,
        "rejected-model": rejected,
    }


def test_one_model_that_wrote_nearly_all_chosen_answers_is_told(tmp_path: Path) -> None:
    """With its name; its style would be learnt."""
    rows = [binarized(n, "large", f"small {n % 3}") for n in range(97)]
    rows += [binarized(n, "small 1", "large") for n in range(97, 100)]

    found = measured(tmp_path, rows)

    assert (found.count, found.of, found.compared) == (97, 100, 0.97)
    assert found.statement == (
        "97 of 100 pairs (97.0%) have a chosen answer of large and a rejected one of another model"
    )


def test_pairs_of_one_model_have_one_style(tmp_path: Path) -> None:
    """Both answers sampled from the same model: the usual on-policy set."""
    found = measured(tmp_path, [binarized(n, "mine", "mine") for n in range(10)])

    assert (found.count, found.of, found.statement) == (0, 10, None)


@pytest.mark.parametrize("models", [(None, "x"), (1, 2), (None, None)])
def test_sets_that_do_not_say_are_not_judged(tmp_path: Path, models: Any) -> None:
    """The columns are there and hold no names."""
    found = measured(tmp_path, [binarized(n, *models) for n in range(3)])

    assert found.not_checked == "the data do not say which model wrote what"


def test_a_row_that_does_not_say_is_not_counted(tmp_path: Path) -> None:
    """The others are."""
    rows = [binarized(n, "large", "small") for n in range(9)] + [binarized(9, "large", None)]

    assert measured(tmp_path, rows).of == 9


@pytest.mark.parametrize(
    ("row", "preferred"),
    [
        ({"response_a": "a", "response_b": "b", "winner": "model_b"}, "two"),
        ({"response_a": "a", "response_b": "b", "winner": "model_a"}, "one"),
    ],
)
def test_compared_answers_know_their_models(
    tmp_path: Path, row: dict[str, Any], preferred: str
) -> None:
    """The winner's model wrote the chosen answer."""
    models = {"prompt": "q", "model_a": "one", "model_b": "two"}

    assert load(tmp_path, [models | row]).tally.authors.preferred == {preferred: 1}


def test_a_comparison_without_models_says_nothing(tmp_path: Path) -> None:
    """As most sets do."""
    row = {"prompt": "q", "response_a": "a", "response_b": "b", "winner": "model_a"}

    assert load(tmp_path, [row]).tally.authors.pairs == 0


@pytest.mark.parametrize(
    ("row", "preferred"),
    [
        (
            {
                "completions": [
                    {"model": "one", "response": "a", "overall_score": 3},
                    {"model": "two", "response": "b", "overall_score": 9},
                ]
            },
            {"two": 1},
        ),
        (
            {"generations": ["a", "b"], "rating": [9, 1], "generation_models": ["one", "two"]},
            {"one": 1},
        ),
        ({"generations": ["a", "b"], "rating": [9, 1], "generation_models": ["one"]}, {}),
        ({"generations": ["a", "b"], "rating": [9, 1]}, {}),
    ],
)
def test_ranked_answers_know_their_models(
    tmp_path: Path, row: dict[str, Any], preferred: dict[str, int]
) -> None:
    """As members of the answers, or in a list beside them."""
    assert load(tmp_path, [{"prompt": "q", **row}]).tally.authors.preferred == preferred


@pytest.mark.parametrize(
    "columns",
    [
        ("chosen-rating", "rejected-rating"),
        ("chosen_rating", "rejected_rating"),
        ("score_chosen", "score_rejected"),
        ("chosen_score", "rejected_score"),
        ("chosen_avg_rating", "rejected_avg_rating"),
    ],
)
def test_pairs_that_are_rated_alike_are_left_out(tmp_path: Path, columns: tuple[str, str]) -> None:
    """As in the cleaned UltraFeedback set; a rating that is missing says nothing."""
    ratings = [(5, 4), ("4.0", 4), (None, None), (3, 3.0)]
    rows = [
        {"prompt": f"q {n}", "chosen": "a", "rejected": "b", columns[0]: one, columns[1]: other}
        for n, (one, other) in enumerate(ratings)
    ]

    loaded = load(tmp_path, rows)

    assert sorted(pair.row for pair in [*loaded.train, *loaded.held_out]) == [1, 3]
    assert loaded.tally.dropped["ties"].rows == 2
    assert f"{columns[0]} and {columns[1]} are the same" in loaded.tally.dropped["ties"].examples[0]


def test_a_column_of_ten_thousand_names_takes_little_memory() -> None:
    """It names something else than models; the first ones stay."""
    authors = Authors()
    for number in range(10_000):
        authors.note(f"model {number}", "other")
    authors.note("model 0", "other")

    assert len(authors.preferred) == 1000
    assert (authors.pairs, authors.preferred["model 0"]) == (10_001, 2)
