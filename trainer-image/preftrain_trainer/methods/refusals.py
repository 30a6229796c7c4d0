"""Which combinations of method, settings and data make no sense, and what to do instead. Pure.

TRL takes most of them and ignores a part; a run that is not what was asked for is refused.
"""

from collections import Counter
from collections.abc import Iterator

from preftrain_api.spec import DpoSpec, KtoSpec, MethodSpec, PreferenceTrainingJobSpec
from preftrain_trainer.data.pairs import Kind
from preftrain_trainer.errors import BadSpec
from preftrain_trainer.methods.losses import LOSSES
from preftrain_trainer.methods.table import METHODS, dpo_losses, method_of


def require_sensible(spec: PreferenceTrainingJobSpec) -> None:
    """Refuse settings that contradict each other or would have no effect.

    Raises:
        BadSpec: the sentence names the fields and the way out.
    """
    problems = [*_dpo(spec.method.dpo), *_kto(spec.method.kto), *_reference(spec)]
    if problems:
        raise BadSpec("; ".join(problems))


def require_micro_batch(method: MethodSpec, size: int) -> None:
    """Refuse micro-batches of one for losses that compare the examples of a micro-batch.

    Raises:
        BadSpec: the sentence names the fields and the way out.
    """
    if size < 2 and method_of(method).couples_examples(method):
        raise BadSpec(
            f"training.microBatchSize is {size}, but the loss of this {method.type} compares the "
            "examples of a micro-batch with one another; set training.batchSize to a multiple "
            "of 4, or microBatchSize to at least 2"
        )


def require_kind(spec: PreferenceTrainingJobSpec, kind: Kind) -> None:
    """Refuse data that the method cannot learn from.

    Raises:
        BadSpec: the sentence names the field and the method to use.
    """
    method = method_of(spec.method)
    if kind in method.kinds:
        return
    suited = ", ".join(name for name, each in METHODS.items() if kind in each.kinds)
    raise BadSpec(
        f"method.type {spec.method.type} learns from pairs of a chosen and a rejected answer, but "
        f"the data are single answers with a label; set method.type to {suited}, or give pairs"
    )


def _dpo(dpo: DpoSpec | None) -> Iterator[str]:
    if dpo is None:
        return
    terms = dpo_losses(dpo)
    types = {term.type for term in terms}
    smoothed = [name for name, loss in LOSSES.items() if loss.smoothed]
    if twice := [name for name, count in Counter(term.type for term in terms).items() if count > 1]:
        yield f"method.dpo.losses names {', '.join(twice)} more than once; add up the weights"
    if not any(term.weight for term in terms):
        yield "method.dpo.losses has no weight above 0; give one of them a weight"
    if dpo.label_smoothing and not types.intersection(smoothed):
        yield (
            "method.dpo.labelSmoothing has no effect on these losses, only on "
            f"{', '.join(smoothed)}; remove it"
        )
    if "ExoPair" in types and not dpo.label_smoothing:
        yield (
            "method.dpo.labelSmoothing must be above 0 for the loss ExoPair; its authors use 0.001"
        )
    if dpo.discopop_tau is not None and "Discopop" not in types:
        yield "method.dpo.discopopTau belongs to the loss Discopop; remove it"
    if dpo.ld_alpha is not None and types == {"SFT"}:
        yield "method.dpo.ldAlpha has no effect on the loss SFT; remove it"


def _kto(kto: KtoSpec | None) -> Iterator[str]:
    if kto is not None and kto.desirable_weight == 0 and kto.undesirable_weight == 0:
        yield (
            "method.kto.desirableWeight and undesirableWeight are both 0, so nothing would be "
            "learnt; leave both out"
        )


def _reference(spec: PreferenceTrainingJobSpec) -> Iterator[str]:
    precomputed = spec.training is not None and spec.training.precompute_reference
    if precomputed and not method_of(spec.method).has_reference:
        yield (
            f"training.precomputeReference has no meaning for {spec.method.type}, which has no "
            "reference; remove it"
        )
