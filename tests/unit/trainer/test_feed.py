"""What the trainer is fed, example by example."""

from dataclasses import replace
from typing import Any

import pytest

from preftrain_api.spec import TrainingSpec
from preftrain_trainer.data.pairs import LabelledAnswer, PreferencePair
from preftrain_trainer.data.tokens import TokenizedAnswer, TokenizedPair
from preftrain_trainer.errors import InternalError
from preftrain_trainer.fit.device import Device
from preftrain_trainer.fit.layout import Fit, fit
from preftrain_trainer.methods.scores import UNKNOWN, LabelledScore, Likelihood
from preftrain_trainer.model.likelihood import Passage, passage, passages_of
from preftrain_trainer.training.feed import AnswerFeed, OddsFeed, PairFeed
from preftrain_trainer.training.sample import require_same_tokens, sample_rows
from support.specs import resolved_spec

PAD = 99
PAIRS = [TokenizedPair((1, n), (2, 3, n, 4), (5, n)) for n in range(10, 18)]
ANSWERS = [TokenizedAnswer((1, n), (2, n), desirable=n % 2 == 0) for n in range(10, 26)]
TRAINING = TrainingSpec.parse({"maxLength": 64, "batchSize": 4, "microBatchSize": 2})


def layout(padding: int | None = None, **training: Any) -> Fit:
    asked = {"batchSize": 4, "microBatchSize": 2, "maxSteps": 6} | training
    found = fit(resolved_spec(training=asked), 8, Device("CPU", "test", bf16=False))
    return replace(found, pad_to_multiple_of=padding)


class CountedScorer:
    """Gives every passage a likelihood of its own."""

    def references(self, passages: list[Passage]) -> list[Likelihood]:
        return [
            Likelihood(-float(sum(each.prompt)), len(each.answer), -float(sum(each.answer)))
            for each in passages
        ]


def test_pairs_come_under_the_names_of_the_collator() -> None:
    """In the run's order, as often as the run has steps."""
    feed = PairFeed(PAIRS, layout(), TRAINING, PAD, None)
    assert len(feed) == 24
    assert {feed[at]["prompt_ids"][1] for at in range(8)} == set(range(10, 18))
    first = feed[0]
    assert set(first) == {"prompt_ids", "chosen_ids", "rejected_ids"}
    assert first["chosen_ids"] == [2, 3, first["prompt_ids"][1], 4]


def test_reference_values_come_with_their_pairs() -> None:
    """Each answer's own, wherever the order puts the pair."""
    scorer: Any = CountedScorer()
    feed = PairFeed(PAIRS, layout(), TRAINING, PAD, scorer)
    for at in range(len(feed)):
        found = feed[at]
        assert found["ref_chosen_logps"] == -sum(found["chosen_ids"])
        assert found["ref_rejected_logps"] == -sum(found["rejected_ids"])


def test_whole_sequences_are_padded_for_the_method_that_takes_them() -> None:
    """To a multiple that its collator does not know, with labels on the answer alone."""
    found = OddsFeed(PAIRS[:1], layout(padding=8), TRAINING, PAD, None)[0]
    assert found["chosen_input_ids"] == [1, 10, 2, 3, 10, 4, PAD, PAD]
    assert found["chosen_attention_mask"] == [1] * 6 + [0] * 2
    assert found["chosen_labels"] == [-100, -100, 2, 3, 10, 4, -100, -100]
    assert found["rejected_input_ids"] == [1, 10, 5, 10] + [PAD] * 4
    assert (found["prompt_input_ids"], found["prompt_attention_mask"]) == ([1, 10], [1, 1])


def test_whole_sequences_are_cut_at_the_longest_length() -> None:
    """The library would not cut what it did not tokenize."""
    short = TRAINING.model_copy(update={"max_length": 4})
    found = OddsFeed(PAIRS[:1], layout(), short, PAD, None)[0]
    assert found["chosen_input_ids"] == [1, 10, 2, 3]
    assert found["rejected_input_ids"] == [1, 10, 5, 10]


def test_mismatched_answers_are_those_before_in_the_micro_batch() -> None:
    """The first takes the last one's, so a micro-batch keeps its set of answers."""
    feed = AnswerFeed(ANSWERS, layout(microBatchSize=4), TRAINING, PAD, None)
    for start in range(0, len(feed), 4):
        batch = [feed[start + at] for at in range(4)]
        own = [example["completion_ids"] for example in batch]
        assert [example["KL_completion_ids"] for example in batch] == [own[-1], *own[:-1]]
        assert {example["label"] for example in batch} == {True, False}


def test_reference_values_of_mismatched_answers_follow_the_order() -> None:
    """They belong to a position, not to an answer."""
    scorer: Any = CountedScorer()
    feed = AnswerFeed(ANSWERS, layout(), TRAINING, PAD, scorer)
    for at in range(len(feed)):
        found = feed[at]
        assert found["ref_logps"] == -sum(found["completion_ids"])
        assert found["ref_KL_logps"] == -sum(found["KL_completion_ids"])


def test_the_first_step_is_measured_where_its_loss_depends_on_the_data() -> None:
    """Each answer once, in micro-batches; elsewhere the likelihoods do not matter."""
    feed = PairFeed(PAIRS, layout(), TRAINING, PAD, None)
    measured = feed.at_rest(lambda each: Likelihood(-1.0, len(each.answer), -1.0))
    assert [len(batch) for batch in measured] == [2, 2]
    assert measured[0][0].chosen.policy.tokens == 4
    assert measured[0][0].delta == 0
    assert feed.at_rest(None)[0][0].chosen is UNKNOWN
    assert feed.answer_tokens() == 4


def test_the_first_step_of_labels_knows_them() -> None:
    """The weights make the loss."""
    feed = AnswerFeed(ANSWERS, layout(), TRAINING, PAD, None)
    batches = feed.at_rest(None)
    assert [[each.desirable for each in batch] for batch in batches] == [
        [feed[at]["label"] for at in (0, 1)],
        [feed[at]["label"] for at in (2, 3)],
    ]
    assert isinstance(batches[0][0], LabelledScore)
    assert feed.answer_tokens() == 2


def test_passages_are_cut_at_the_end_and_know_what_both_answers_share() -> None:
    """The tail of the longer one counts less with ldAlpha."""
    chosen, rejected = passages_of(PAIRS[0], 5)
    assert (chosen.answer, chosen.shared, chosen.length) == ((2, 3, 10), 2, 5)
    assert (rejected.answer, rejected.shared) == ((5, 10), 2)
    assert passage((1,), (2, 3), 2).answer == (2,)


@pytest.mark.parametrize("method", ["DPO", "KTO"])
def test_other_tokens_than_the_librarys_end_the_run(method: Any) -> None:
    """A template or tokenizer that the library reads differently would train on something else."""
    pair = [{"prompt_ids": [1, 10], "chosen_ids": [2, 3, 10, 4], "rejected_ids": [5, 10]}]
    answer = [{"prompt_ids": [1, 10], "completion_ids": [2, 10]}]
    theirs: Any = {"DPO": pair, "KTO": answer}[method]
    ours: Any = {"DPO": PAIRS, "KTO": ANSWERS}[method]
    require_same_tokens(method, theirs, ours)
    theirs[0]["prompt_ids"] = [7]
    with pytest.raises(InternalError, match="TRL tokenizes 1 of 1 examples in another way"):
        require_same_tokens(method, theirs, ours)
    require_same_tokens("ORPO", theirs, ours)


def test_the_sample_is_in_the_librarys_form() -> None:
    """Text or turns, pairs or single answers."""
    pair = PreferencePair(1, "Why?", "Yes.", "No.")
    answer = LabelledAnswer(2, "Why?", "Yes.", desirable=True)
    question = [{"role": "user", "content": "Why?"}]
    assert sample_rows([pair], "PlainText", "Pairs") == [pair.columns()]
    assert sample_rows([pair], "ChatTemplate", "Pairs")[0]["prompt"] == question
    assert [row["label"] for row in sample_rows([pair], "PlainText", "Answers")] == [True, False]
    assert sample_rows([answer], "ChatTemplate", "Answers") == [
        {
            "prompt": question,
            "completion": [{"role": "assistant", "content": "Yes."}],
            "label": True,
        }
    ]
