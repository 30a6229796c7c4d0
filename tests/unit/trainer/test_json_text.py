"""JSON read value by value: the same values, wherever the pieces of the text end."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from preftrain_trainer.data import json_text
from preftrain_trainer.data.json_text import BrokenJson, JsonStream

TEXT = some.text(some.sampled_from('aé"\\\n/\u2028\N{GRINNING FACE}'), max_size=6)
VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | TEXT,
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def stream(data: bytes) -> JsonStream:
    return JsonStream(io.BytesIO(data), 1 << 20)


@given(
    some.lists(VALUES, max_size=6), some.integers(1, 9), some.booleans(), some.sampled_from([0, 2])
)
def test_pieces_change_no_value(
    values: list[object], size: int, ascii_only: bool, indent: int
) -> None:
    """Numbers, escapes and letters of several bytes may be cut anywhere."""
    data = json.dumps(values, ensure_ascii=ascii_only, indent=indent or None).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_CHUNK_BYTES", size)
        found = stream(data)
        read = [element.value for element in found.elements()]
        found.end()

    assert json.dumps(read) == json.dumps(json.loads(data))


@given(some.dictionaries(TEXT, VALUES, max_size=4), some.integers(1, 9))
def test_members_come_one_by_one(values: dict[str, object], size: int) -> None:
    """With keys and values in their order."""
    data = json.dumps(values).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_CHUNK_BYTES", size)
        found = stream(data)
        read = {key: found.value().value for key in found.members()}

    assert json.dumps(read) == json.dumps(json.loads(data))


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("text", ["1234", " true", '"a"', "-Infinity "])
def test_a_value_alone_may_end_with_the_text(
    monkeypatch: pytest.MonkeyPatch, text: str, size: int
) -> None:
    """Nothing more comes, and that is known."""
    monkeypatch.setattr(json_text, "_CHUNK_BYTES", size)
    assert stream(text.encode()).value().value == json.loads(text)


@pytest.mark.parametrize("size", [1, 100])
@pytest.mark.parametrize("text", ["", "tru", "[1, 2", '"ab', '{"a": ', '"\\u12', "nul", "x", "[1}"])
def test_what_is_not_whole_is_told(monkeypatch: pytest.MonkeyPatch, text: str, size: int) -> None:
    """The end comes before the value is one, or no end could help."""
    monkeypatch.setattr(json_text, "_CHUNK_BYTES", size)
    with pytest.raises(BrokenJson):
        stream(text.encode()).value()


def test_letters_that_are_cut_at_the_end_are_told() -> None:
    """A file that was cut off in the middle of a letter."""
    with pytest.raises(BrokenJson, match="UTF-8"):
        list(stream('[1, "ä'.encode()[:-1]).elements())
