"""A record of one step, as it is kept."""

from dataclasses import replace
from math import nan

from preftrain_trainer.progress.records import StepRecord


def test_a_record_writes_strange_numbers_as_text() -> None:
    """JSON has no NaN, and the evidence of a lost run must stay readable."""
    record = StepRecord.of_log(3, {"loss": nan, "rewards/margins": 0.5, "kl": 2.0}, 1.5)
    plain = record.plain()
    assert plain == {"step": 3, "seconds": 1.5, "loss": "nan", "reward_margin": 0.5, "kl": 2.0}
    assert record.metrics().loss is None
    assert record.metrics().reward_margin == 0.5
    again = StepRecord.of_plain(plain | {"findings": [], "later": 1})
    assert again.loss != again.loss
    assert replace(again, loss=None) == replace(record, loss=None)
