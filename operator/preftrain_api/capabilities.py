"""Parts of the schema that this release does not carry out yet.

A field that is accepted and then ignored would break the promise that a green job is what
was asked for, so operator and command line refuse such specs, naming the field.
"""

from collections.abc import Iterator

from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_api.spec.method import DpoLossType

SUPPORTED_LOSSES: frozenset[DpoLossType] = frozenset({"Sigmoid", "Hinge", "IPO", "SFT"})


def unsupported_fields(spec: PreferenceTrainingJobSpec) -> tuple[str, ...]:
    """Sentences that name what `spec` asks for and this release cannot do; empty when all is
    well.
    """
    return tuple(_unsupported(spec))


def _unsupported(spec: PreferenceTrainingJobSpec) -> Iterator[str]:
    method, training = spec.method, spec.training
    if method.type != "DPO":
        yield f"method.type {method.type} is not available in this release; use DPO"
    for loss in (method.dpo.losses or ()) if method.dpo else ():
        if loss.type not in SUPPORTED_LOSSES:
            yield (
                f"method.dpo.losses: {loss.type} is not available in this release; "
                f"use {', '.join(sorted(SUPPORTED_LOSSES))}"
            )
    if method.dpo and method.dpo.label_smoothing:
        yield (
            "method.dpo.labelSmoothing has no effect on the losses that are available in this "
            "release; remove it"
        )
    if method.dpo and method.dpo.ld_alpha is not None:
        yield "method.dpo.ldAlpha is not available in this release; remove it"
    if training and training.precompute_reference:
        yield "training.precomputeReference is not available in this release; remove it"
    if any(rule.name == "Stall" and rule.action == "Stop" for rule in spec.guards or ()):
        yield "guards: Stall cannot end a process that hangs; give it the action Warn"
    if spec.managed_by not in (None, "preftrain.dev/operator"):
        yield "managedBy: only preftrain.dev/operator is available in this release"
