"""Which shape the rows of a file have: a table of shapes, tried on its first rows."""

from itertools import accumulate
from typing import Final

from preftrain_api.spec import DatasetSpec
from preftrain_trainer.data.shapes.chosen_rejected import CHOSEN_REJECTED
from preftrain_trainer.data.shapes.compared import COMPARED
from preftrain_trainer.data.shapes.prompt import PromptColumns
from preftrain_trainer.data.shapes.ranked import RANKED, TWO_OUTPUTS
from preftrain_trainer.data.shapes.shape import PROMPT_MEMBERS, Found, Reading, Shape
from preftrain_trainer.data.shapes.single import LABELLED, SCORED
from preftrain_trainer.data.shapes.table import NoColumn, Table
from preftrain_trainer.errors import DataRefused

SHAPES: Final[tuple[Shape, ...]] = (
    CHOSEN_REJECTED,
    LABELLED,
    COMPARED,
    RANKED,
    TWO_OUTPUTS,
    SCORED,
)

_WAYS: Final = (
    "chosen and rejected; completion and label; first, second and better; answers with scores "
    "or ranks; or completion with scores"
)
_COLUMNS_CHARACTERS: Final = 400
_COLUMN_CHARACTERS: Final = 60
"""So that the way out, which comes last, is not cut off."""


def reading_of(table: Table, spec: DatasetSpec, file: str) -> Reading:
    """How the rows of a file are read.

    Raises:
        DataRefused: no shape fits, or more than one.
    """
    try:
        prompt = PromptColumns.of(table)
    except NoColumn as missing:
        raise DataRefused(_lacks(table, file, missing)) from None
    asked = table.asked.keys()
    fitting: list[tuple[Shape, Found]] = []
    missed: list[NoColumn] = []
    for shape in SHAPES:
        if spec.format not in ("Auto", shape.kind) or not asked <= shape.members | PROMPT_MEMBERS:
            continue
        try:
            fitting.append((shape, shape.recognise(table, prompt)))
        except NoColumn as missing:
            missed.append(missing)
    if not fitting:
        raise DataRefused(_unknown(table, spec, file, missed))
    first = min(shape.precedence for shape, _ in fitting)
    foremost = [(shape, found) for shape, found in fitting if shape.precedence == first]
    if len(foremost) > 1:
        names = " and ".join(f"{shape.name} ({shape.kind})" for shape, _ in foremost)
        raise DataRefused(
            f"{file} can be read in more than one way, as {names}; its columns are "
            f"{_listed(table)}; say which one is meant with dataset.format, or name the columns "
            "in dataset.columns"
        )
    ((shape, found),) = foremost
    return Reading(shape.name, shape.kind, {**prompt.names, **found.columns}, found.read)


def _unknown(table: Table, spec: DatasetSpec, file: str, missed: list[NoColumn]) -> str:
    asked = [missing for missing in missed if missing.asked]
    begun = [missing for missing in missed if missing.found]
    nearest = max(asked or begun, key=lambda missing: missing.found, default=None)
    if nearest is not None:
        return _lacks(table, file, nearest)
    wanted = "" if spec.format == "Auto" else f"{spec.format.lower()} "
    return (
        f"{file} has the columns {_listed(table)}, which are of no known {wanted}shape; name them "
        f"in dataset.columns ({_WAYS}), or correct dataset.format"
    )


def _lacks(table: Table, file: str, missing: NoColumn) -> str:
    if missing.column in table.columns:
        return (
            f"{file}: most rows looked at have something in the column {missing.column!r} that "
            f"cannot be a {missing.member}; correct it, or name another column in "
            f"dataset.columns.{missing.member}"
        )
    return (
        f"{file} has no column {missing.column!r}; its columns are {_listed(table)}; name the "
        f"right one in dataset.columns.{missing.member}"
    )


def _listed(table: Table) -> str:
    names = [_shortened(name) for name in sorted(table.columns)]
    lengths = accumulate(len(name) + 2 for name in names)
    count = max(1, sum(length <= _COLUMNS_CHARACTERS for length in lengths))
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more} more" if more else "")


def _shortened(name: str) -> str:
    return name if len(name) <= _COLUMN_CHARACTERS else f"{name[:_COLUMN_CHARACTERS]}…"
