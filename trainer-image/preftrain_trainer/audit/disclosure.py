"""Keys, passwords and personal data in the examples, which a model could give away.

Counted by kind and row; no report ever holds what was found.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from preftrain_trainer.audit.check import Check, Hits, Measure
from preftrain_trainer.audit.seen import Seen

SECRETS: Final = Check(
    "secrets",
    "hold what looks like a key or a password",
    "remove them from the data, and withdraw those that are real",
    "Warn",
    "formats that the issuers document; models repeat rare strings (arXiv 2012.07805)",
    "secrets",
)
PERSONAL_DATA: Final = Check(
    "personalData",
    "hold what looks like somebody's address, card, account or phone number",
    "remove them, or make sure that you may train on them",
    "Warn",
    "ours; models repeat rare strings (arXiv 2012.07805)",
    "personal_data",
)
CHECKS: Final = (SECRETS, PERSONAL_DATA)


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    hint: str
    """Text without it is not searched: finding a fixed string is a hundred times faster."""
    pattern: re.Pattern[str]
    digits: int = 0
    """Text with fewer digits is not searched either."""
    holds: Callable[[str], bool] = bool
    """Whether a match is real."""


def _luhn(text: str) -> bool:
    """Check digit of card numbers (ISO/IEC 7812-1, annex B)."""
    digits = [int(letter) for letter in text if letter.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


_DIGITS: Final = "0123456789"

_SECRETS: Final = (
    _Kind("AWS access key", "A", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    _Kind("private key", "PRIVATE KEY", re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY")),
    _Kind("GitHub token", "gh", re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36}")),
    _Kind("Hugging Face token", "hf_", re.compile(r"\bhf_[A-Za-z]{30}")),
    _Kind("API key", "sk-", re.compile(r"\bsk-(?=\S*\d)[A-Za-z0-9_-]{24}")),
    _Kind("Slack token", "xox", re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10}")),
    _Kind("Google key", "AIza", re.compile(r"\bAIza[0-9A-Za-z_-]{35}")),
    _Kind("JSON web token", "eyJ", re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8}")),
)
_PERSONAL: Final = (
    _Kind(
        "e-mail address",
        "@",
        re.compile(r"[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{2,63})+"),
        holds=lambda text: not text.rpartition("@")[2].lower().startswith("example."),
    ),
    _Kind("card number", "", re.compile(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d.-])"), 13, _luhn),
    _Kind("social security number", "-", re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])"), 9),
    _Kind(
        "phone number",
        "+",
        re.compile(r"(?<!\w)\+\d{1,3}[ -]?\(?\d{1,4}\)?(?:[ -]?\d{2,4}){2,4}\b"),
        7,
    ),
    _Kind(
        "IBAN",
        "",
        re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"),
        12,
    ),
)


class DisclosureProbe:
    """Searches every text of every example."""

    def __init__(self) -> None:
        self._total = 0
        self._secrets, self._personal = Hits(), Hits()
        self._kinds: Counter[str] = Counter()

    def look(self, seen: Seen) -> None:
        """Search one example."""
        self._total += 1
        text = "\n".join((seen.prompt, *seen.answers))
        for kinds, hits in ((_SECRETS, self._secrets), (_PERSONAL, self._personal)):
            found = {kind.name for kind in kinds if _found(kind, text)}
            if found:
                hits.note(seen.row)
                self._kinds.update(found)

    def measures(self) -> Iterator[Measure]:
        """Both shares, with the kinds in words."""
        for check, kinds, hits in (
            (SECRETS, _SECRETS, self._secrets),
            (PERSONAL_DATA, _PERSONAL, self._personal),
        ):
            yield hits.measure(check, self._total, self._statement(check, kinds, hits))

    def _statement(self, check: Check, kinds: tuple[_Kind, ...], hits: Hits) -> str | None:
        if not hits.count:
            return None
        listed = ", ".join(
            f"{kind.name} in {self._kinds[kind.name]}" for kind in kinds if self._kinds[kind.name]
        )
        share = hits.count / self._total
        return f"{hits.count} of {self._total} examples ({share:.1%}) {check.says}: {listed}"


def _found(kind: _Kind, text: str) -> bool:
    return (
        kind.hint in text
        and (not kind.digits or sum(map(text.count, _DIGITS)) >= kind.digits)
        and any(kind.holds(match[0]) for match in kind.pattern.finditer(text))
    )
