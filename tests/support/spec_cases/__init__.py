"""Specs that are accepted and specs that are refused: one table for pydantic and API server."""

import copy

from support.spec_cases.bounds import BOUND_CASES
from support.spec_cases.case import Case, put, refuses
from support.spec_cases.documents import COMMIT, FULL, MINIMAL
from support.spec_cases.rules import RULE_CASES

CASES = (*RULE_CASES, *BOUND_CASES, Case("minimal"), Case("full", copy.deepcopy(FULL)))

__all__ = [
    "BOUND_CASES",
    "CASES",
    "COMMIT",
    "FULL",
    "MINIMAL",
    "RULE_CASES",
    "Case",
    "put",
    "refuses",
]
