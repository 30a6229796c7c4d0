"""The table of methods: arguments, objectives, weights, and what is refused."""

import sys
from math import log
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftrain_trainer.data.pairs import Kind, LabelledAnswer, PreferencePair
from preftrain_trainer.errors import BadSpec, DataRefused
from preftrain_trainer.fit.device import Device
from preftrain_trainer.fit.layout import fit, refuse_impossible
from preftrain_trainer.methods.labels import settled, shown, weight_finding, weighted
from preftrain_trainer.methods.losses import LOSSES
from preftrain_trainer.methods.refusals import require_kind, require_sensible
from preftrain_trainer.methods.scores import UNKNOWN, LabelledScore, PairScore
from preftrain_trainer.methods.table import METHODS, method_of
from support.specs import resolved_spec

GPU = Device("GPU", "test", bf16=True)


def objective(**dpo: Any) -> Any:
    spec = resolved_spec(method={"type": "DPO", "dpo": dpo})
    return method_of(spec.method).objective(spec.method)


@pytest.mark.parametrize(
    ("dpo", "constant"),
    [
        ({}, log(2)),
        ({"beta": 0.5, "losses": [{"type": "Sigmoid"}]}, log(2)),
        ({"beta": 0.1, "losses": [{"type": "IPO"}]}, 25.0),
        ({"beta": 0.5, "losses": [{"type": "IPO"}]}, 1.0),
        ({"losses": [{"type": "ExoPair"}], "labelSmoothing": 0.001}, 2.7612),
        ({"beta": 0.1, "losses": [{"type": "SPPOHard"}]}, 50.0),
        (
            {"losses": [{"type": "Sigmoid", "weight": 2.0}, {"type": "Hinge", "weight": 0.5}]},
            2 * log(2) + 0.5,
        ),
        ({"losses": [{"type": "Discopop"}], "discopopTau": 1.0}, 0.8466),
    ],
)
def test_the_first_loss_has_a_known_value(dpo: dict[str, Any], constant: float) -> None:
    """Whatever the likelihoods are, policy and reference are one."""
    assert objective(**dpo).loss([PairScore(UNKNOWN, UNKNOWN)]) == pytest.approx(constant, rel=1e-4)


def test_settings_reach_the_library() -> None:
    """Names and weights as TRL takes them."""
    spec = resolved_spec(
        method={
            "type": "DPO",
            "dpo": {
                "losses": [{"type": "AOT", "weight": 0.5}, {"type": "SFT"}],
                "labelSmoothing": 0.1,
                "ldAlpha": 0.3,
            },
        }
    )
    found = METHODS["DPO"].arguments(spec.method, 64)
    assert found["loss_type"] == ["aot", "sft"]
    assert found["loss_weights"] == [0.5, 1.0]
    assert (found["label_smoothing"], found["ld_alpha"], found["pad_to_multiple_of"]) == (
        0.1,
        0.3,
        64,
    )
    assert METHODS["DPO"].objective(spec.method).tail_weight == 0.3


def test_settings_of_labels_reach_the_library() -> None:
    """Weights as they were settled, and shown as they were used."""
    kto = {"beta": 0.2, "lossType": "APOZeroUnpaired"}
    method = weighted(resolved_spec(method={"type": "KTO", "kto": kto}).method, 30, 10)
    found = METHODS["KTO"].arguments(method, 64)
    assert (found["loss_type"], found["beta"]) == ("apo_zero_unpaired", 0.2)
    assert (found["desirable_weight"], found["undesirable_weight"]) == (1.0, 3.0)
    assert shown(method) == {"desirableWeight": "1", "undesirableWeight": "3"}
    assert shown(resolved_spec().method) == {}


def test_the_method_without_reference_takes_its_own_columns() -> None:
    """Its trainer would change the argument otherwise, and the change would end the run."""
    found = METHODS["ORPO"].arguments(resolved_spec(method={"type": "ORPO"}).method, 64)
    assert found["remove_unused_columns"] is False
    assert found["beta"] == 0.1
    assert "pad_to_multiple_of" not in found


def test_a_method_without_members_has_its_defaults() -> None:
    """Also before a spec is resolved."""
    spec = resolved_spec().method.model_copy(update={"dpo": None})
    assert METHODS["DPO"].arguments(spec, None)["loss_type"] == ["sigmoid"]
    assert METHODS["ORPO"].objective(spec).beta == 0.1
    assert not METHODS["DPO"].couples_examples(spec)


def test_weights_must_be_settled_before_they_are_used() -> None:
    """An open weight has no number that would do for any data."""
    with pytest.raises(ValueError, match="label counts"):
        METHODS["KTO"].objective(resolved_spec(method={"type": "KTO"}).method)


@pytest.mark.parametrize(
    ("kto", "counts", "weights"),
    [
        ({}, (10, 10), (1.0, 1.0)),
        ({}, (30, 10), (1.0, 3.0)),
        ({}, (10, 40), (4.0, 1.0)),
        ({"desirableWeight": 2.0}, (10, 20), (2.0, 1.0)),
        ({"undesirableWeight": 2.0}, (10, 20), (4.0, 2.0)),
        ({"undesirableWeight": 0.0}, (10, 20), (0.0, 0.0)),
        ({"desirableWeight": 1.0, "undesirableWeight": 7.0}, (10, 20), (1.0, 7.0)),
    ],
)
def test_open_weights_follow_from_the_counts(
    kto: dict[str, float], counts: tuple[int, int], weights: tuple[float, float]
) -> None:
    """Such that both sides weigh the same in all; what is given is kept."""
    found = weighted(resolved_spec(method={"type": "KTO", "kto": kto}).method, *counts).kto
    assert found is not None
    assert (found.desirable_weight, found.undesirable_weight) == pytest.approx(weights)


@given(good=st.integers(1, 10_000), bad=st.integers(1, 10_000))
def test_open_weights_never_earn_a_warning(good: int, bad: int) -> None:
    """They lie in the interval that KTO's authors recommend."""
    method = weighted(resolved_spec(method={"type": "KTO"}).method, good, bad)
    assert weight_finding(method, Counts(good, bad)) is None


@pytest.mark.parametrize(
    ("good_weight", "counts", "warned"),
    [
        (1.0, (10, 10), False),
        (1.3, (10, 10), False),
        (1.4, (10, 10), True),
        (0.9, (10, 10), True),
        (1.0, (30, 10), True),
        (0.4, (30, 10), False),
    ],
)
def test_weights_outside_of_the_interval_are_warned_of(
    good_weight: float, counts: tuple[int, int], warned: bool
) -> None:
    """Equation 8: 1 to 4/3; the finding proposes weights that lie inside."""
    kto = {"desirableWeight": good_weight, "undesirableWeight": 1.0}
    method = resolved_spec(method={"type": "KTO", "kto": kto}).method
    finding = weight_finding(method, Counts(*counts))
    assert (finding is not None) is warned
    if finding is not None:
        assert finding.severity == "Warning"
        low = counts[1] / counts[0]
        assert f"desirableWeight {low:.3g} to {low * 4 / 3:.3g}" in finding.message


def test_bad_answers_that_weigh_nothing_are_warned_of() -> None:
    """The ratio would be infinite."""
    kto = {"desirableWeight": 1.0, "undesirableWeight": 0.0}
    method = resolved_spec(method={"type": "KTO", "kto": kto}).method
    assert weight_finding(method, Counts(1, 1)) is not None


def test_only_one_method_weighs_labels() -> None:
    """The others are left as they are."""
    method = resolved_spec().method
    assert settled(method, Counts(1, 0)) is method
    assert weight_finding(method, Counts(1, 0)) is None


@pytest.mark.parametrize(("counts", "label"), [((5, 0), "good"), ((0, 5), "bad")])
def test_a_single_label_is_refused(counts: tuple[int, int], label: str) -> None:
    """There is no difference to learn from."""
    with pytest.raises(DataRefused, match=f"all 5 answers are labelled {label}"):
        settled(resolved_spec(method={"type": "KTO"}).method, Counts(*counts))


def test_pairs_count_for_both_labels() -> None:
    """So their weights are equal."""
    pairs = [PreferencePair(1, "a", "b", "c")] * 3
    kto = settled(resolved_spec(method={"type": "KTO"}).method, pairs).kto
    assert kto is not None
    assert (kto.desirable_weight, kto.undesirable_weight) == (1, 1)


@pytest.mark.parametrize(
    ("dpo", "says"),
    [
        ({"labelSmoothing": 0.1}, "labelSmoothing has no effect on these losses, only on ExoPair"),
        ({"losses": [{"type": "ExoPair"}]}, "labelSmoothing must be above 0 for the loss ExoPair"),
        ({"discopopTau": 0.1}, "discopopTau belongs to the loss Discopop"),
        ({"losses": [{"type": "SFT"}], "ldAlpha": 0.5}, "ldAlpha has no effect on the loss SFT"),
        ({"losses": [{"type": "IPO"}, {"type": "IPO"}]}, "names IPO more than once"),
        ({"losses": [{"type": "IPO", "weight": 0}]}, "no weight above 0"),
    ],
)
def test_settings_without_effect_are_refused_by_name(dpo: dict[str, Any], says: str) -> None:
    """TRL would take them and leave them."""
    with pytest.raises(BadSpec, match=rf"method\.dpo\.\w+.*{says.split(' ', 1)[1]}"):
        refuse_impossible(resolved_spec(method={"type": "DPO", "dpo": dpo}))


def test_all_problems_are_named_at_once() -> None:
    """One look at the sentence is enough to correct the job."""
    with pytest.raises(BadSpec, match=r"labelSmoothing.*; .*discopopTau"):
        require_sensible(
            resolved_spec(
                method={"type": "DPO", "dpo": {"labelSmoothing": 0.1, "discopopTau": 0.1}}
            )
        )


def test_weights_of_zero_are_refused() -> None:
    """Nothing would be learnt."""
    kto = {"desirableWeight": 0, "undesirableWeight": 0}
    with pytest.raises(BadSpec, match=r"method\.kto\.desirableWeight"):
        refuse_impossible(resolved_spec(method={"type": "KTO", "kto": kto}))


def test_a_reference_that_does_not_exist_cannot_be_computed() -> None:
    """ORPO has none."""
    asked = resolved_spec(method={"type": "ORPO"}, training={"precomputeReference": True})
    with pytest.raises(BadSpec, match=r"training\.precomputeReference has no meaning for ORPO"):
        refuse_impossible(asked)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_accepted(name: str) -> None:
    """With what it needs, and nothing else."""
    needs = {"labelSmoothing": 0.001} if name == "ExoPair" else {}
    refuse_impossible(
        resolved_spec(method={"type": "DPO", "dpo": {"losses": [{"type": name}], **needs}})
    )


@pytest.mark.parametrize(
    ("method", "batch", "micro"),
    [
        ({"type": "KTO"}, 8, 4),
        ({"type": "KTO"}, 6, 2),
        ({"type": "DPO", "dpo": {"losses": [{"type": "AOT"}]}}, 8, 4),
        ({"type": "DPO"}, 8, 2),
        ({"type": "ORPO"}, 8, 2),
    ],
)
def test_the_micro_batch_is_a_number_where_it_is_part_of_the_loss(
    method: dict[str, Any], batch: int, micro: int
) -> None:
    """4 where the batch allows, on every machine."""
    spec = resolved_spec(
        method=method,
        training={"batchSize": batch},
        compute={"accelerator": "GPU"},
        model={"quantization": "NF4"},
    )
    assert fit(spec, 80, GPU).micro_batch_size == micro
    assert spec.training is not None
    assert spec.training.micro_batch_size == (None if micro == 2 and batch == 8 else micro)


@pytest.mark.parametrize(
    "method", [{"type": "KTO"}, {"type": "DPO", "dpo": {"losses": [{"type": "AOTUnpaired"}]}}]
)
def test_a_micro_batch_of_one_cannot_be_compared(method: dict[str, Any]) -> None:
    """Refused before a GPU is asked for, naming the fields."""
    odd = resolved_spec(method=method, training={"batchSize": 5}, compute={"accelerator": "GPU"})
    with pytest.raises(BadSpec, match=r"training\.microBatchSize is 1.*training\.batchSize"):
        refuse_impossible(odd)


@pytest.mark.parametrize(
    ("method", "kind", "fits"),
    [
        ("DPO", "Paired", True),
        ("ORPO", "Paired", True),
        ("KTO", "Paired", True),
        ("KTO", "Unpaired", True),
        ("DPO", "Unpaired", False),
        ("ORPO", "Unpaired", False),
    ],
)
def test_methods_take_the_data_they_can_learn_from(method: str, kind: Kind, fits: bool) -> None:
    """The sentence names the field and the method that would do."""
    spec = resolved_spec(method={"type": method})
    if fits:
        require_kind(spec, kind)
    else:
        with pytest.raises(BadSpec, match=rf"method\.type {method} .* set method\.type to KTO"):
            require_kind(spec, kind)


def test_the_first_loss_of_labels_depends_on_their_weights_alone() -> None:
    """One half of the mean weight."""
    method = weighted(resolved_spec(method={"type": "KTO"}).method, 3, 1)
    batch = [LabelledScore(UNKNOWN, label, UNKNOWN) for label in (True, True, True, False)]
    assert METHODS["KTO"].objective(method).loss(batch) == pytest.approx(0.75)


class Counts(list[PreferencePair | LabelledAnswer]):
    """Answers with so many good and bad labels."""

    def __init__(self, good: int, bad: int) -> None:
        answers = {label: LabelledAnswer(1, "a", "b", label) for label in (True, False)}
        super().__init__([answers[True]] * good + [answers[False]] * bad)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_finds_the_classes_of_the_library(
    method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name, and only when they are asked for: Unsloth replaces them before."""
    library = SimpleNamespace(**{METHODS[method].trainer: "a trainer", METHODS[method].config: "c"})
    monkeypatch.setitem(sys.modules, METHODS[method].module, library)

    assert METHODS[method].trainer_class() == "a trainer"
    assert METHODS[method].config_class() == "c"
