"""What pydantic accepts and refuses, from the table that the API server is held to as well."""

from __future__ import annotations

import pytest

from preftrain_api.errors import SpecError
from preftrain_api.reading import read_spec
from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_api.wire import WireModel
from support.spec_cases import CASES, RULE_CASES, Case


@pytest.mark.case(17)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_spec_is_accepted_or_refused_with_the_field_named(case: Case) -> None:
    """A refusal begins with the path of the field and says what the API server would say."""
    if not case.refused:
        read_spec(case.spec())
        return
    with pytest.raises(SpecError) as caught:
        read_spec(case.spec())
    problem = next(text for text in caught.value.problems if text.startswith(case.refused))
    if case.message and not case.message.startswith("keys of"):
        assert case.message in problem


def test_every_rule_of_the_spec_has_a_case() -> None:
    """A rule nobody tries against an API server may be a rule that refuses nothing."""
    tried = {case.message for case in RULE_CASES if case.refused}
    transitions = {rule.message for rule in PreferenceTrainingJobSpec.cel_rules}
    rules = {rule.message for model in _subclasses(WireModel) for rule in model.cel_rules}
    assert rules - transitions <= tried


def _subclasses(model: type[WireModel]) -> set[type[WireModel]]:
    return {model}.union(*(_subclasses(part) for part in model.__subclasses__()))
