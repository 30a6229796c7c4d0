"""Reads, cleans and splits the preference data of a run.

Rows that are of no use are dropped and counted; whether too many were is for the audit to
judge. Nothing here needs torch.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from preftrain_api.spec import DatasetSpec, PreferenceTrainingJobSpec, TrainingSpec
from preftrain_trainer.data.filters.texts import Drops
from preftrain_trainer.data.holdout import digest_of_lines, hold_out
from preftrain_trainer.data.pairs import LoadedData
from preftrain_trainer.data.reading import Reader
from preftrain_trainer.data.repeats import keys_of, repeats, shared_with
from preftrain_trainer.data.spill import Positions, Spill, SpilledExamples
from preftrain_trainer.data.tally import Count, Tally
from preftrain_trainer.errors import DataRefused
from preftrain_trainer.places.source import Source


def load(source: Source, spec: PreferenceTrainingJobSpec, scratch: Path) -> LoadedData:
    """Read, clean and split the data of a resolved spec.

    The examples lie in a nameless file in the folder `scratch` for as long as they are in use.

    Raises:
        BadSpec: a filter asks for something that cannot be.
        DataRefused: files or columns are missing, damaged, or of no use for the method.
        ObjectStoreUnavailable: there is no room for the rows in `scratch`.
    """
    dataset = spec.dataset
    if dataset.eval_split is not None and source.is_single_file:
        raise DataRefused(
            f"dataset.evalSplit {dataset.eval_split}: dataset.uri names a single file; "
            "point it at a folder with a file for each split, or use dataset.evalFraction"
        )
    rules = _rules(dataset)
    tally = Tally(filtered=_counts(dataset))
    reader = Reader(source, dataset, scratch, tally, rules)
    spill = Spill(scratch, (spec.training or TrainingSpec()).seed)

    train = _cleaned(_read(reader, spill, dataset.split or "train"), spill, tally)
    _require_use(reader, spec)
    prompts = keys_of(spill.prompts)
    if dataset.eval_split is not None:
        held_out = _cleaned(_read(reader, spill, dataset.eval_split), spill, tally)
        held_out = _unseen(train, held_out, spill, tally)
    else:
        chosen = hold_out(prompts[train], dataset.eval_fraction or 0.0)
        train, held_out = train[~chosen], train[chosen]
    train, held_out = _one_kind(train, held_out, spill, tally)
    trained_on, judged_on = SpilledExamples(spill, train), SpilledExamples(spill, held_out)
    return LoadedData(
        train=trained_on,
        held_out=judged_on,
        kind=reader.kind,
        conversational=bool(len(train)) and bool(spill.talks[train[0]]),
        digest=digest_of_lines(trained_on.lines(), judged_on.lines()),
        tally=tally,
        shape=reader.shape,
    )


def _rules(dataset: DatasetSpec) -> Sequence[Drops]:
    if not dataset.filters:
        return ()
    # Brings libraries along that only some rules need.
    from preftrain_trainer.data.filters.registry import rules_of

    return rules_of(dataset.filters)


def _counts(dataset: DatasetSpec) -> list[Count]:
    return [
        Count(rule=f"filters[{index}] {rule.type}")
        for index, rule in enumerate(dataset.filters or ())
    ]


def _read(reader: Reader, spill: Spill, split: str) -> Positions:
    start = len(spill)
    for example in reader.read(split):
        spill.append(example)
    return np.arange(start, len(spill))


def _require_use(reader: Reader, spec: PreferenceTrainingJobSpec) -> None:
    """Refuse what the method cannot learn from; KTO takes pairs apart by itself."""
    if reader.kind == "Unpaired" and spec.method.type != "KTO":
        raise DataRefused(
            f"method.type {spec.method.type} learns from pairs, but the rows of dataset.uri hold "
            f"an {reader.shape}; set method.type to KTO, or use paired data"
        )


def _cleaned(positions: Positions, spill: Spill, tally: Tally) -> Positions:
    """Without repeated and contradicted examples."""
    start, end = len(spill) - len(positions), len(spill)
    found = repeats(
        keys_of(spill.subjects)[start:end], np.frombuffer(bytes(spill.sides), np.uint8)[start:end]
    )
    for index in np.flatnonzero(found.duplicate):
        row, first = spill.rows[start + index], spill.rows[start + found.first[index]]
        tally.drop("duplicates", f"row {row} repeats row {first}")
    for index in np.flatnonzero(found.contradicted):
        row, first = spill.rows[start + index], spill.rows[start + found.first[index]]
        tally.drop(
            "contradictions",
            f"row {row} and others of the same answers contradict each other"
            if row == first
            else f"row {row} contradicts row {first} or repeats it",
        )
    return positions[~(found.duplicate | found.contradicted)]


def _unseen(train: Positions, held_out: Positions, spill: Spill, tally: Tally) -> Positions:
    """Held-out examples whose prompt is not trained on, or they would judge what was learnt."""
    prompts = keys_of(spill.prompts)
    shared = shared_with(prompts[train], prompts[held_out])
    for position in held_out[shared]:
        tally.drop("evalOverlap", f"row {spill.rows[position]}")
    return held_out[~shared]


def _one_kind(
    train: Positions, held_out: Positions, spill: Spill, tally: Tally
) -> tuple[Positions, Positions]:
    """Leave out the minority where plain text and conversations are mixed."""
    talks = np.frombuffer(bytes(spill.talks), np.bool_)
    both = np.concatenate([train, held_out])
    conversations = int(talks[both].sum())
    if conversations in (0, len(both)):
        return train, held_out
    kept = 2 * conversations >= len(both)
    for position in both[talks[both] != kept]:
        usual = "a conversation" if kept else "plain text"
        tally.drop("malformed", f"row {spill.rows[position]}: not {usual} like most rows")
    return train[talks[train] == kept], held_out[talks[held_out] == kept]
