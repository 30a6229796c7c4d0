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
    hints: tuple[bytes, ...]
    """Only text with one of them is searched; a zero stands for any digit. Finding a fixed
    string is a hundred times faster than trying a pattern at every character."""
    pattern: re.Pattern[str]
    holds: Callable[[str], bool] = bool
    """Whether a match is real."""


def _luhn(text: str) -> bool:
    """Check digit of card numbers (ISO/IEC 7812-1, annex B)."""
    digits = [int(letter) for letter in text if letter.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_somebodys(address: str) -> bool:
    """Whether an e-mail address is outside of the domains for examples (RFC 2606)."""
    return not address.rpartition("@")[2].lower().startswith("example.")


_ZEROS: Final = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER: Final = (b"00000000", b"0000 0000", b"0000-0000")

_SECRETS: Final = (
    _Kind("AWS access key", (b"AKIA", b"ASIA"), re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    _Kind("private key", (b"PRIVATE KEY",), re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY")),
    _Kind("GitHub token", (b"gh",), re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36}")),
    _Kind("Hugging Face token", (b"hf_",), re.compile(r"\bhf_[A-Za-z]{30}")),
    _Kind("API key", (b"sk-",), re.compile(r"\bsk-(?=\S*\d)[A-Za-z0-9_-]{24}")),
    _Kind("Slack token", (b"xox",), re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10}")),
    _Kind("Google key", (b"AIza",), re.compile(r"\bAIza[0-9A-Za-z_-]{35}")),
    _Kind("JSON web token", (b"eyJ",), re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8}")),
)
_PERSONAL: Final = (
    _Kind(
        "e-mail address",
        (b"@",),
        re.compile(r"[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{2,63})+"),
        _is_somebodys,
    ),
    _Kind(
        "card number",
        _LONG_NUMBER,
        re.compile(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d.-])"),
        _luhn,
    ),
    _Kind(
        "social security number",
        (b"000-00-0000",),
        re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])"),
    ),
    _Kind(
        "phone number",
        (b"+0",),
        re.compile(r"(?<!\w)\+\d{1,3}[ -]?\(?\d{1,4}\)?(?:[ -]?\d{2,4}){2,4}\b"),
    ),
    _Kind(
        "IBAN",
        _LONG_NUMBER,
        re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"),
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
        zeros = text.encode().translate(_ZEROS)
        for kinds, hits in ((_SECRETS, self._secrets), (_PERSONAL, self._personal)):
            found = {kind.name for kind in kinds if _found(kind, text, zeros)}
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


def _found(kind: _Kind, text: str, zeros: bytes) -> bool:
    return any(hint in zeros for hint in kind.hints) and any(
        kind.holds(match[0]) for match in kind.pattern.finditer(text)
    )
