"""Reads the examples of a split out of its files: rows are recognised, read, filtered, counted."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from preftrain_api.spec import DatasetSpec
from preftrain_trainer.data.filters.texts import Drops
from preftrain_trainer.data.pairs import Example, Kind, PreferencePair
from preftrain_trainer.data.row import Row
from preftrain_trainer.data.rows import read_rows
from preftrain_trainer.data.shapes.left_out import LeftOut
from preftrain_trainer.data.shapes.registry import reading_of
from preftrain_trainer.data.shapes.shape import Reading, ScoredAnswer
from preftrain_trainer.data.shapes.single import best_and_worst
from preftrain_trainer.data.shapes.table import Table
from preftrain_trainer.data.splits import CARD, SUFFIXES, is_data_file, select
from preftrain_trainer.data.tally import Tally
from preftrain_trainer.errors import DataRefused
from preftrain_trainer.places.source import Source

_LOOK_AHEAD: Final = 100
"""Rows of a file in which a column must show up at least once."""
_CHUNK: Final = 512
"""Examples that a filter looks at together."""

_ONE_A_LINE: Final = ": one JSON object a line, in UTF-8; a list of objects is called .json"

Placed = tuple[Example, str]
"""An example, and the file and line that it comes from."""


@dataclass(slots=True)
class Reader:
    """Reads splits of one source, all with one kind of examples.

    Attributes:
        source: where the files are.
        dataset: the resolved spec of the data.
        scratch: folder for what has to be unpacked.
        tally: counts what is left out.
        rules: filters, in order.
        readings: how the files were read, each way once.
    """

    source: Source
    dataset: DatasetSpec
    scratch: Path
    tally: Tally
    rules: Sequence[Drops] = ()
    readings: list[Reading] = field(default_factory=list)

    @property
    def kind(self) -> Kind:
        """What the rows hold; known once a split was read."""
        return self.readings[0].kind

    @property
    def shape(self) -> str:
        """How the rows were read, for people."""
        return "; ".join(dict.fromkeys(map(str, self.readings)))

    def read(self, split: str) -> Iterator[Example]:
        """The examples of a split.

        Raises:
            DataRefused: files or columns are missing or damaged.
        """
        placed = (
            item
            for path, name in self._files(split)
            for item in self._distinct(self._read_file(path, name))
        )
        for example in self._kept(placed):
            if isinstance(example, PreferencePair) and example.models is not None:
                self.tally.authors.note(*example.models)
            yield example

    def _files(self, split: str) -> Iterator[tuple[Path, str]]:
        files = {file.name: file for file in self.source.files()}
        forms = ", ".join(SUFFIXES)
        uri = self.dataset.uri
        if self.source.is_single_file:
            (name,) = files
            if not is_data_file(name):
                raise DataRefused(
                    f"dataset.uri {uri}: {name} is of no known form; "
                    f"use one of {forms}, each also with .gz"
                )
            selected: tuple[str, ...] = (name,)
        else:
            card = None
            if CARD in files and self.source.commit is not None:
                folder = self.source.fetch((files[CARD],))
                card = (folder / CARD).read_text(encoding="utf-8", errors="replace")
            selected = select(tuple(files), split, card)
        if not selected:
            there = sorted(name for name in files if is_data_file(name))
            found = f"its data files are {', '.join(there[:5])}" if there else f"it has no {forms}"
            if any(name.endswith(".arrow") for name in files):
                found += " but a saved state of the library datasets, which to_parquet() exports"
            raise DataRefused(
                f"dataset.uri {uri} has no file of the split {split}; {found}; "
                "correct dataset.split, dataset.evalSplit or dataset.uri"
            )
        folder = self.source.fetch([files[name] for name in selected])
        for name in selected:
            yield folder / name, name

    def _read_file(self, path: Path, name: str) -> Iterator[Placed]:
        rows = read_rows(path, name, self.scratch)
        first = list(itertools.islice(rows, _LOOK_AHEAD))
        reading = self._reading(first, name)
        rated: list[ScoredAnswer] = []
        where = name
        for row in itertools.chain(first, rows):
            self.tally.rows += 1
            if row.problem is not None:
                self.tally.drop("malformed", f"{row.where}: {row.problem}")
                continue
            try:
                item = reading.read(self.tally.rows, row.values)
            except LeftOut as error:
                self.tally.drop(error.reason, f"{row.where}: {error}")
                continue
            if not isinstance(item, ScoredAnswer):
                yield item, row.where
                continue
            if rated and not rated[0].is_of_the_prompt_of(item):
                yield from self._best_and_worst(rated, where)
                rated = []
            if not rated:
                where = row.where
            rated.append(item)
        if rated:
            yield from self._best_and_worst(rated, where)

    def _reading(self, first: Sequence[Row], name: str) -> Reading:
        readable = [row.values for row in first if row.problem is None]
        if not readable:
            remedy = first[0].remedy or (
                f"check that the form of {name} is what its name says{_form(name)}"
            )
            raise DataRefused(
                f"{first[0].where}: {first[0].problem}; none of the rows looked at "
                f"({len(first)}) can be read; {remedy}"
            )
        reading = reading_of(Table.of(readable, self.dataset.columns), self.dataset, name)
        self.readings.append(reading)
        if reading.kind != self.kind:
            raise DataRefused(
                f"{name} is {reading.kind.lower()} data ({reading}), but files before it are "
                f"{self.kind.lower()} ({self.readings[0]}); use files of one kind"
            )
        return reading

    def _best_and_worst(self, rated: Sequence[ScoredAnswer], where: str) -> Iterator[Placed]:
        try:
            yield best_and_worst(rated), where
        except LeftOut as error:
            self.tally.drop(error.reason, f"{where}: {error}")

    def _distinct(self, placed: Iterator[Placed]) -> Iterator[Placed]:
        for example, where in placed:
            if isinstance(example, PreferencePair) and example.chosen == example.rejected:
                self.tally.drop("identicalPairs", where)
            else:
                yield example, where

    def _kept(self, placed: Iterator[Placed]) -> Iterator[Example]:
        if not self.rules:
            return (example for example, _ in placed)
        chunks = iter(lambda: list(itertools.islice(placed, _CHUNK)), [])
        return (example for chunk in chunks for example in self._kept_of(chunk))

    def _kept_of(self, chunk: list[Placed]) -> Iterator[Example]:
        left = list(range(len(chunk)))
        dropped: dict[int, int] = {}
        for rule, drops in enumerate(self.rules):
            verdicts = drops([chunk[index][0] for index in left])
            dropped |= {index: rule for index, hit in zip(left, verdicts, strict=True) if hit}
            left = [index for index in left if index not in dropped]
        for index in sorted(dropped):
            self.tally.drop_by_rule(dropped[index], chunk[index][1])
        for index in left:
            yield chunk[index][0]


def _form(name: str) -> str:
    is_lines = Path(name.lower().removesuffix(".gz")).suffix in (".jsonl", ".ndjson")
    return _ONE_A_LINE if is_lines else ""
