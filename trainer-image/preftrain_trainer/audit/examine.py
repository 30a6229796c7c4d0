"""Looks at every example once, with all checks that need no tokenizer.

Holds counts and one bounded sample; the examples themselves may lie on a disk.
"""

from dataclasses import dataclass, replace
from itertools import chain

from preftrain_api.report import Lengths
from preftrain_api.spec import PreferenceTrainingJobSpec, TrainingSpec
from preftrain_api.spec.audit import AuditSpec
from preftrain_trainer.audit import authors, languages, size, structure, tokens
from preftrain_trainer.audit.check import Measure, Probe
from preftrain_trainer.audit.disclosure import DisclosureProbe
from preftrain_trainer.audit.labels import LabelProbe
from preftrain_trainer.audit.leakage import LeakageProbe
from preftrain_trainer.audit.lengths import LengthProbe
from preftrain_trainer.audit.likeness import LikenessProbe
from preftrain_trainer.audit.prompts import PromptProbe
from preftrain_trainer.audit.sample import Sample
from preftrain_trainer.audit.scripts import ScriptProbe
from preftrain_trainer.audit.seen import seen
from preftrain_trainer.audit.tokenizer import ModelTokenizer
from preftrain_trainer.audit.verifiable import VerifiableProbe
from preftrain_trainer.data.pairs import Example, LoadedData


@dataclass(frozen=True, slots=True)
class Examination:
    """What was measured in one data set."""

    measures: tuple[Measure, ...]
    lengths: tuple[Lengths, ...]
    sample: tuple[Example, ...]
    """Examples for the checks that are too costly for all."""
    token_sample: int | None = None
    """How many were tokenized, when they were."""


def glance(loaded: LoadedData) -> Examination:
    """What reading alone tells, without looking at an example."""
    return Examination(tuple(structure.measures(loaded)), (), ())


def examine(loaded: LoadedData, spec: PreferenceTrainingJobSpec) -> Examination:
    """Everything that text alone tells; `spec` is resolved."""
    limits = (spec.dataset.audit or AuditSpec()).in_force()
    lengths = LengthProbe()
    probes: tuple[Probe, ...] = (
        PromptProbe(limits.rows_per_prompt or 0),
        lengths,
        LikenessProbe(limits.near_identical_distance or 0.0),
        LeakageProbe(),
        ScriptProbe(),
        LabelProbe(spec.method.kto),
        DisclosureProbe(),
        VerifiableProbe(),
    )
    looks = [probe.look for probe in probes]
    sample: Sample[Example] = Sample()
    for example in chain(loaded.train, loaded.held_out):
        sample.offer(example)
        what = seen(example)
        for look in looks:
            look(what)
    paired = loaded.kind == "Paired"
    measures = chain(
        structure.measures(loaded),
        authors.measures(loaded),
        *(probe.measures() for probe in probes),
        languages.measures([seen(example) for example in sample.items]),
        size.measures(len(loaded.train), len(loaded.held_out), spec, paired=paired),
    )
    return Examination(tuple(measures), tuple(lengths.table.rows()), tuple(sample.items))


def examine_tokens(
    so_far: Examination, tokenizer: ModelTokenizer, spec: PreferenceTrainingJobSpec
) -> Examination:
    """The same with what the sample tells once it is tokenized.

    Raises:
        ModelUnavailable: the chat template is missing.
    """
    found = tokens.TokenExamination(tokenizer, (spec.training or TrainingSpec()).max_length)
    found.look(so_far.sample)
    return replace(
        so_far,
        measures=(*so_far.measures, *found.measures()),
        lengths=(*so_far.lengths, *found.lengths()),
        token_sample=len(so_far.sample),
    )


def without_tokens(so_far: Examination, reason: str) -> Examination:
    """The same, with the reason why nothing was tokenized."""
    return replace(so_far, measures=(*so_far.measures, *tokens.not_checked(reason)))
