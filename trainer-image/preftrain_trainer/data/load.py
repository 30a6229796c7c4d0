"""Reads, cleans and splits the preference pairs of a run.

Rows that are no pairs are dropped and counted; whether too many were is for the audit to
judge. Nothing here needs torch.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from preftrain_api.spec import DatasetSpec, PreferenceTrainingJobSpec, TrainingSpec
from preftrain_trainer.data.holdout import digest, hold_out
from preftrain_trainer.data.pairs import LoadedData, PreferencePair
from preftrain_trainer.data.rows import Row, read_rows
from preftrain_trainer.data.shapes import ColumnNames, MalformedRow, column_names, to_pair
from preftrain_trainer.data.splits import CARD, SUFFIXES, is_data_file, select
from preftrain_trainer.data.tally import Tally
from preftrain_trainer.errors import DataRefused
from preftrain_trainer.places.source import Source

_LOOK_AHEAD: Final = 100
"""Rows of a file in which a column must show up at least once."""


def load(source: Source, spec: PreferenceTrainingJobSpec) -> LoadedData:
    """Read, clean and split the data of a resolved spec.

    Raises:
        DataRefused: files or columns are missing or damaged.
    """
    dataset = spec.dataset
    seed = (spec.training or TrainingSpec()).seed
    tally = Tally()
    pairs = _read_split(source, dataset, dataset.split or "train", tally)
    if dataset.eval_split is not None:
        if source.is_single_file:
            raise DataRefused(
                f"dataset.evalSplit {dataset.eval_split}: dataset.uri names a single file; "
                "point it at a folder with a file for each split, or use dataset.evalFraction"
            )
        held_out = _read_split(source, dataset, dataset.eval_split, tally)
        train = pairs
    else:
        train, held_out = hold_out(pairs, dataset.eval_fraction or 0.0, seed)
    train, held_out = _one_kind(train, held_out, tally)
    return LoadedData(
        train=train,
        held_out=held_out,
        kind="Paired",
        conversational=any(pair.is_conversational for pair in train),
        digest=digest(train, held_out),
        tally=tally,
    )


def _read_split(
    source: Source, dataset: DatasetSpec, split: str, tally: Tally
) -> list[PreferencePair]:
    pairs: list[PreferencePair] = []
    for path, name in _split_files(source, dataset, split):
        for row, names in _with_columns(read_rows(path, name), dataset, name):
            tally.rows += 1
            if row.problem is not None:
                tally.drop("malformed", f"{row.where}: {row.problem}")
                continue
            try:
                pair = to_pair(row.values, names, tally.rows)
            except MalformedRow as error:
                tally.drop("malformed", f"{row.where}: {error}")
                continue
            if pair.chosen == pair.rejected:
                tally.drop("identicalPairs", row.where)
            else:
                pairs.append(pair)
    return pairs


def _split_files(source: Source, dataset: DatasetSpec, split: str) -> Iterator[tuple[Path, str]]:
    files = {file.name: file for file in source.files()}
    forms = ", ".join(SUFFIXES)
    if source.is_single_file:
        (name,) = files
        if not is_data_file(name):
            raise DataRefused(
                f"dataset.uri {dataset.uri}: {name} is of no known form; "
                f"use one of {forms}, each also with .gz"
            )
        selected: tuple[str, ...] = (name,)
    else:
        card = None
        if CARD in files and source.commit is not None:
            folder = source.fetch((files[CARD],))
            card = (folder / CARD).read_text(encoding="utf-8", errors="replace")
        selected = select(tuple(files), split, card)
    if not selected:
        there = sorted(name for name in files if is_data_file(name))
        found = f"its data files are {', '.join(there[:5])}" if there else f"it has no {forms}"
        raise DataRefused(
            f"dataset.uri {dataset.uri} has no file of the split {split}; {found}; "
            "correct dataset.split, dataset.evalSplit or dataset.uri"
        )
    folder = source.fetch([files[name] for name in selected])
    for name in selected:
        yield folder / name, name


def _with_columns(
    rows: Iterator[Row], dataset: DatasetSpec, name: str
) -> Iterator[tuple[Row, ColumnNames]]:
    """Each row with the columns to read, which the first rows of its file decide."""
    first = list(itertools.islice(rows, _LOOK_AHEAD))
    readable = [row for row in first if row.problem is None]
    if not readable:
        raise DataRefused(
            f"{first[0].where}: {first[0].problem}; none of the first {len(first)} rows of "
            f"{name} can be read; check that its form is what its name says"
        )
    present = frozenset(column for row in readable for column in row.values)
    try:
        names = column_names(dataset, present)
    except KeyError as error:
        member, column = error.args
        raise DataRefused(
            f"{name} has no column {column!r}; its columns are "
            f"{', '.join(sorted(map(str, present))[:20])}; name the right one in "
            f"dataset.columns.{member}"
        ) from None
    for row in itertools.chain(first, rows):
        yield row, names


def _one_kind(
    train: list[PreferencePair], held_out: list[PreferencePair], tally: Tally
) -> tuple[list[PreferencePair], list[PreferencePair]]:
    """Leave out the minority where plain text and conversations are mixed."""
    both = [*train, *held_out]
    conversations = sum(pair.is_conversational for pair in both)
    if conversations in (0, len(both)):
        return train, held_out
    kept = 2 * conversations >= len(both)
    for pair in both:
        if pair.is_conversational != kept:
            usual = "a conversation" if kept else "plain text"
            tally.drop("malformed", f"row {pair.row}: not {usual} like most rows")
    return (
        [pair for pair in train if pair.is_conversational == kept],
        [pair for pair in held_out if pair.is_conversational == kept],
    )
