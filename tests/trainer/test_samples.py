"""Held-out prompts, answered by the base model and by the adapter."""

from typing import Any

import pytest

from preftrain_api.exit_codes import ExitCode

from .conftest import Train

pytestmark = pytest.mark.trainer

LEARNT = {"training": {"learningRate": 1e-2, "maxSteps": 3, "warmupRatio": 0.0}}


def answers(run: dict[str, Any], who: str) -> list[str]:
    return [sample[who]["text"] for sample in run["samples"]]


def test_both_answer_the_same_prompts_and_differ(train: Train) -> None:
    """The base is the model with its adapter off; what it says does not depend on training."""
    run = train(members=LEARNT, samples="all")
    assert run["error"] is None
    assert len(run["samples"]) == 4
    assert all(25 <= sample["row"] <= 30 for sample in run["samples"])
    assert answers(run, "base") != answers(run, "adapter")
    for sample in run["samples"]:
        assert sample["chosen"].startswith("It is ")
        for who in ("base", "adapter"):
            assert 0 < sample[who]["tokens"] <= 128
            assert sample[who]["ending"] in ("EndMark", "Length")

    shorter = {"training": LEARNT["training"] | {"maxSteps": 1}}
    other = train("other", members=shorter, samples="all")
    assert answers(other, "base") == answers(run, "base")
    assert answers(other, "adapter") != answers(run, "adapter")


def test_conversations_are_answered_after_all_of_their_turns(train: Train) -> None:
    """As they are rendered in training."""
    run = train(members=LEARNT, samples="all", conversational=True)
    assert [turn["role"] for turn in run["samples"][0]["prompt"]] == ["system", "user"]


def test_plain_text_is_continued(train: Train) -> None:
    """Where the model has no chat template."""
    run = train(members=LEARNT | {"evaluation": {"samples": 1}}, samples="all", template=None)
    assert len(run["samples"]) == 1
    assert run["error"] is None


def test_a_slow_machine_cuts_answers_and_leaves_samples_out(train: Train) -> None:
    """A minute in all; what was not answered is not shown as if it had been."""
    run = train(members=LEARNT, samples="slowly")
    (sample,) = run["samples"]
    assert sample["adapter"]["ending"] == "Time"


def test_zero_samples_are_none(train: Train) -> None:
    """Then no text of the data set is in the report."""
    run = train(members=LEARNT | {"evaluation": {"samples": 0}}, samples="all")
    assert run["samples"] == []


def test_a_request_to_end_is_heard_while_answering(train: Train) -> None:
    """Answering may take a minute; a pod has two."""
    run = train(members=LEARNT, samples="stopped")
    assert run["error"]["code"] == ExitCode.PREEMPTED
