"""The rules of a spec, ready to be asked about examples."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from preftrain_api.spec.filters import FilterRule, FilterType
from preftrain_trainer.data.filters.form import format_filter, length_filter
from preftrain_trainer.data.filters.repeats import duplicates_filter
from preftrain_trainer.data.filters.texts import Drops
from preftrain_trainer.data.filters.wording import expression_filter, keyword_filter
from preftrain_trainer.data.filters.writing import language_filter, script_filter

_MAKERS: Final[dict[FilterType, Callable[[Any, str], Drops]]] = {
    "Length": lambda rule, field: length_filter(rule),
    "Format": lambda rule, field: format_filter(rule),
    "Keyword": lambda rule, field: keyword_filter(rule),
    "RegularExpression": expression_filter,
    "Script": lambda rule, field: script_filter(rule),
    "Language": language_filter,
    "Duplicates": lambda rule, field: duplicates_filter(rule),
}


def rules_of(filters: Sequence[FilterRule]) -> list[Drops]:
    """The rules, in order.

    Raises:
        BadSpec: one of them asks for something that cannot be.
    """
    return [
        _MAKERS[rule.type](rule.settings, f"dataset.filters[{index}]")
        for index, rule in enumerate(filters)
    ]
