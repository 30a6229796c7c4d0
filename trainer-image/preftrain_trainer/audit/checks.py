"""All checks of the audit by name, family for family."""

from typing import Final

from preftrain_trainer.audit import (
    authors,
    disclosure,
    labels,
    languages,
    leakage,
    lengths,
    likeness,
    prompts,
    scripts,
    size,
    structure,
    tokens,
    verifiable,
)
from preftrain_trainer.audit.check import Check

FAMILIES: Final[dict[str, tuple[Check, ...]]] = {
    "Structure": tuple(structure.CHECKS.values()),
    "Prompts": prompts.CHECKS,
    "Lengths": lengths.CHECKS,
    "Likeness": likeness.CHECKS,
    "Leakage": leakage.CHECKS,
    "Languages": (*scripts.CHECKS, *languages.CHECKS),
    "Labels": labels.CHECKS,
    "Authors": authors.CHECKS,
    "Disclosure": disclosure.CHECKS,
    "Verifiability": verifiable.CHECKS,
    "Size": size.CHECKS,
    "Tokens": tokens.CHECKS,
}

CHECKS: Final[dict[str, Check]] = {
    check.name: check for family in FAMILIES.values() for check in family
}
