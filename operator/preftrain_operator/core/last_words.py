"""The end of a log, made fit for a status that more people may read than the log itself."""

import re
import unicodedata
from typing import Final

MAX_TAIL: Final = 1024
"""Characters; a kubelet hands over 2048 bytes of a log at most."""
_ESCAPE: Final = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[@-_])")
"""Terminal control sequences, by ECMA-48."""
_UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cs"})
_SECRETS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        # Tokens of the hub, and access keys of AWS: both are known by their first letters.
        r"()\bhf_[A-Za-z0-9]{16,}",
        r"()\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        # What signs a request, in its URL and in its header.
        r"(?i)(\bx-amz-(?:signature|credential|security-token)=)[^&\s\"']+",
        r"(?i)(\bauthorization\W{1,4})[^\"'\n]+",
        r"(://)[^/@\s]+:[^/@\s]+(?=@)",
    )
)


def tail(log: str) -> str:
    """The last `MAX_TAIL` characters of `log` in plain text: no control sequences, of a progress
    bar the last state, and nothing that looks like a credential.

    The trainer logs no credentials; a library that ends in a trace may.
    """
    text = _ESCAPE.sub("", log)
    text = "\n".join(line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n"))
    text = "".join(
        each for each in text if each in "\n\t" or unicodedata.category(each) not in _UNSEEN
    )
    for secret in _SECRETS:
        text = secret.sub(r"\1***", text)
    text = text.strip()
    return text if len(text) <= MAX_TAIL else "…" + text[1 - MAX_TAIL :]


def last_line(text: str) -> str:
    """The last line of a tail: of a trace it is the error."""
    return text.rpartition("\n")[2].strip()
