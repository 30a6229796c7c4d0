"""Parts of the schema that this release does not carry out yet.

A field that is accepted and then ignored would break the promise that a green job is what
was asked for, so operator and command line refuse such specs, naming the field.
"""

from collections.abc import Iterator

from preftrain_api.spec import PreferenceTrainingJobSpec


def unsupported_fields(spec: PreferenceTrainingJobSpec) -> tuple[str, ...]:
    """Sentences that name what `spec` asks for and this release cannot do; empty when all is
    well.
    """
    return tuple(_unsupported(spec))


def _unsupported(spec: PreferenceTrainingJobSpec) -> Iterator[str]:
    if any(rule.name == "Stall" and rule.action == "Stop" for rule in spec.guards or ()):
        yield "guards: Stall cannot end a process that hangs; give it the action Warn"
    if spec.managed_by not in (None, "preftrain.dev/operator"):
        yield "managedBy: only preftrain.dev/operator is available in this release"
