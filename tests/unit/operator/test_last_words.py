"""The end of a log becomes text that may stand in a status."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftrain_operator.core.last_words import MAX_TAIL, last_line, tail

AKIA = "AKIA" + "B" * 16
HF = "hf_" + "c" * 34


def test_the_end_tells_most() -> None:
    """What is too long loses its beginning, and says so."""
    assert tail("a" * 3000 + "the end").endswith("the end")
    assert tail("a" * 3000).startswith("…")
    assert len(tail("a" * 3000)) == MAX_TAIL


@pytest.mark.parametrize(
    ("log", "left"),
    [
        ("\x1b[31mred\x1b[0m and \x1b]plain", "red and plain"),
        ("  1%|   \r 50%|## \r100%|####\r\nsaved\r\n", "100%|####\nsaved"),
        ("bell\x07, null\x00, turned\u202e round", "bell, null, turned round"),
        ("tabs\tand lines\nstay", "tabs\tand lines\nstay"),
    ],
)
def test_only_text_is_left(log: str, left: str) -> None:
    """No control sequences, of a progress bar the last state, nothing that turns text round."""
    assert tail(log) == left


@pytest.mark.parametrize(
    ("log", "left"),
    [
        (f"token {HF} is invalid", "token *** is invalid"),
        (f"key {AKIA}: denied", "key ***: denied"),
        (
            "GET https://s3/x?X-Amz-Credential=K%2F1&X-Amz-Signature=abcdef&a=1",
            "GET https://s3/x?X-Amz-Credential=***&X-Amz-Signature=***&a=1",
        ),
        (
            "headers: {'Authorization': 'Bearer abc def', 'a': 1}",
            "headers: {'Authorization': '***', 'a': 1}",
        ),
        ("Authorization: AWS4-HMAC-SHA256 Signature=1", "Authorization: ***"),
        ("proxy http://me:secret@host:1 refused", "proxy http://***@host:1 refused"),
    ],
)
def test_nothing_that_looks_like_a_credential_is_left(log: str, left: str) -> None:
    """A status has more readers than a Secret: what a library put into a trace is taken out."""
    assert tail(log) == left


@given(st.text())
def test_any_log_can_be_shown(log: str) -> None:
    """It is short, and printable but for line ends and tabs."""
    shown = tail(log)
    assert len(shown) <= MAX_TAIL
    assert "\x1b" not in shown
    assert last_line(shown) == shown.split("\n")[-1].strip()
