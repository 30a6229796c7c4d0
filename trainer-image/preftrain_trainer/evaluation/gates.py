"""Whether an adapter is good enough to be published. Pure.

A gate compares one figure of the held-out evaluation with a threshold. Without gates of its
own a job has one: with at least 100 held-out pairs the lower end of the 95 % Wilson interval
of reward accuracy must be above chance.
"""

from operator import ge, gt, le, lt
from typing import Final

from preftrain_api.report import Evaluation, GateVerdict
from preftrain_api.spec import Gate, PreferenceTrainingJobSpec
from preftrain_trainer.errors import BadSpec

DEFAULT_GATE: Final = Gate(metric="RewardAccuracyLowerBound", operator="GreaterThan", threshold=0.5)
PAIRS_FOR_DEFAULT_GATE: Final = 100
"""With fewer an accuracy of 0.6 could not be told from chance: its interval reaches 0.5."""

_COMPARE: Final = {"GreaterThan": gt, "AtLeast": ge, "LessThan": lt, "AtMost": le}


def require_held_out(spec: PreferenceTrainingJobSpec, pairs: int) -> None:
    """Refuse judgements that could never be made, before anything is trained.

    Raises:
        BadSpec: gates or early stopping are set and nothing is held out.
    """
    if pairs or spec.evaluation is None:
        return
    for member, asked in (
        ("gates", spec.evaluation.gates),
        ("earlyStopping", spec.evaluation.early_stopping),
    ):
        if asked:
            raise BadSpec(
                f"evaluation.{member} cannot be judged because no pairs are held out; raise "
                "dataset.evalFraction or set dataset.evalSplit"
            )


def judge(
    evaluation: Evaluation | None, spec: PreferenceTrainingJobSpec
) -> tuple[GateVerdict, ...]:
    """The verdict of every gate; empty when there is none to judge."""
    if evaluation is None:
        return ()
    gates = spec.evaluation.gates if spec.evaluation else None
    if gates is None:
        gates = (DEFAULT_GATE,) if evaluation.pairs >= PAIRS_FOR_DEFAULT_GATE else ()
    return tuple(_verdict(gate, evaluation) for gate in gates)


def withheld(verdicts: tuple[GateVerdict, ...], spec: PreferenceTrainingJobSpec) -> bool:
    """Whether the adapter must not be published."""
    failed = any(not verdict.passed for verdict in verdicts)
    return failed and spec.output.publish_policy == "OnGatesPassed"


def missed(verdicts: tuple[GateVerdict, ...]) -> str:
    """The gates that the adapter did not pass, in words; empty when it passed all."""
    return "; ".join(
        f"{gate.metric} is {gate.value:.4g}, not {gate.operator} {gate.threshold:g}"
        for gate in verdicts
        if not gate.passed
    )


def _verdict(gate: Gate, evaluation: Evaluation) -> GateVerdict:
    values = {
        "RewardAccuracy": evaluation.reward_accuracy,
        "RewardAccuracyLowerBound": evaluation.accuracy_low,
        "RewardMargin": evaluation.reward_margin,
        "EvalLoss": evaluation.loss,
        "ChosenLogRatio": evaluation.chosen_log_ratio,
    }
    value = values[gate.metric]
    if value is None:
        raise ValueError(f"the evaluation lacks {gate.metric}")
    return GateVerdict(
        metric=gate.metric,
        operator=gate.operator,
        threshold=gate.threshold,
        value=value,
        passed=_COMPARE[gate.operator](value, gate.threshold),
    )
