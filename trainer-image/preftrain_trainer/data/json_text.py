"""JSON that is read value by value, so that a document of any size takes little memory.

The standard library decodes one value at a time out of a text; what is missing is the text that
grows. An object that has a key twice is told: which of the two values is meant, nobody knows.
"""

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

_CHUNK_BYTES: Final = 1 << 20
_SPACE: Final = " \t\n\r"
_LONGEST_TOKEN: Final = 16
"""Characters, at least as many as a token or its rest has that is cut off at the end of a text and
is no string: `-Infinity`, an escaped pair of surrogates, the exponent of a number."""

_BYTES_A_CHARACTER: Final = 4
"""At most, in UTF-8."""

_CUT: Final = "cut off in the middle"


class BrokenJson(ValueError):
    """The text is no JSON, not UTF-8, or has a value that is too long; the message says which."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One value."""

    value: Any
    doubled: str | None
    """A key that one of its objects has twice."""


class JsonDecoder:
    """Decodes values, and notes keys that occur twice."""

    def __init__(self) -> None:
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object)
        self._doubled: str | None = None

    def whole(self, text: str) -> Decoded:
        """The value that the text consists of.

        Raises:
            BrokenJson: it is none.
        """
        try:
            found, end = self.part(text, len(text) - len(text.lstrip(_SPACE)))
        except json.JSONDecodeError as error:
            raise BrokenJson(f"{error.msg} at column {error.colno}") from error
        if text[end:].strip(_SPACE):
            raise BrokenJson(f"more text after the value, at column {end + 1}")
        return found

    def part(self, text: str, start: int) -> tuple[Decoded, int]:
        """The value that begins at `start`, and where it ends.

        Raises:
            json.JSONDecodeError: there is none, or it is not whole.
            BrokenJson: it cannot be read however it goes on.
        """
        self._doubled = None
        try:
            value, end = self._decoder.raw_decode(text, start)
        except json.JSONDecodeError:
            raise
        except RecursionError:
            raise BrokenJson("nested too deeply") from None
        except ValueError as error:  # a number of thousands of digits
            raise BrokenJson(str(error)) from error
        return Decoded(value, self._doubled), end

    def _object(self, members: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(members)
        if len(value) < len(members):
            keys = [key for key, _ in members]
            self._doubled = next(key for key in keys if keys.count(key) > 1)
        return value


class JsonStream:
    """A JSON document as it is read from a file.

    Args:
        stream: its bytes, in UTF-8.
        longest: bytes of the longest value that is decoded as one.
    """

    def __init__(self, stream: IO[bytes], longest: int) -> None:
        self._stream = stream
        self._longest = longest
        self._too_long = f"a value of more than {longest >> 20} MiB"
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self._decoder = JsonDecoder()
        self._text = ""
        self._at = 0
        self._ended = False

    def peek(self) -> str:
        """The next character that is no space; empty at the end.

        Raises:
            BrokenJson: the text is not UTF-8.
        """
        while True:
            while self._at < len(self._text):
                character = self._text[self._at]
                if character not in _SPACE:
                    return character
                self._at += 1
            if not self._more():
                return ""

    def value(self) -> Decoded:
        """The next value, whole.

        Raises:
            BrokenJson: there is none.
        """
        self.peek()
        while True:
            try:
                found, end = self._decoder.part(self._text, self._at)
            except json.JSONDecodeError as error:
                in_string = error.msg.startswith("Unterminated")
                if not in_string and error.pos <= len(self._text) - _LONGEST_TOKEN:
                    raise BrokenJson(error.msg) from error
                if not self._more():
                    is_cut = in_string or error.pos >= len(self._text.rstrip(_SPACE))
                    raise BrokenJson(_CUT if is_cut else error.msg) from error
                continue
            # A number may go on.
            is_whole = isinstance(found.value, str | list | dict)
            if is_whole or end <= len(self._text) - _LONGEST_TOKEN or not self._more():
                self._require_short(end)
                self._at = end
                return found

    def elements(self) -> Iterator[Decoded]:
        """The elements of the list that begins here.

        Raises:
            BrokenJson: it is none.
        """
        self._take("[")
        if self.peek() != "]":
            yield self.value()
            while self.peek() == ",":
                self._at += 1
                yield self.value()
        self._take("]")

    def members(self) -> Iterator[str]:
        """The keys of the object that begins here; whoever asks reads the value of each.

        Raises:
            BrokenJson: it is none.
        """
        self._take("{")
        if self.peek() != "}":
            yield self._key()
            while self.peek() == ",":
                self._at += 1
                yield self._key()
        self._take("}")

    def end(self) -> None:
        """Require that nothing follows.

        Raises:
            BrokenJson: something does.
        """
        if self.peek():
            raise BrokenJson("more text after the end")

    def _key(self) -> str:
        key = self.value().value
        if not isinstance(key, str):
            raise BrokenJson("a key that is no text")
        self._take(":")
        return key

    def _take(self, expected: str) -> None:
        found = self.peek()
        if found != expected:
            raise BrokenJson(f"{expected!r} expected, not {found!r}" if found else _CUT)
        self._at += 1

    def _require_short(self, end: int) -> None:
        # Far more than one value may have been read already, so its own length counts.
        if (end - self._at) * _BYTES_A_CHARACTER > self._longest:
            value = self._text[self._at : end]
            if len(value.encode(errors="surrogatepass")) > self._longest:
                raise BrokenJson(self._too_long)

    def _more(self) -> bool:
        """Read on, unless the end was reached before; twice as much each time, so that long values
        are not tried too often.
        """
        if self._ended:
            return False
        rest = self._text[self._at :]
        if len(rest) > self._longest:
            raise BrokenJson(self._too_long)
        data = self._stream.read(max(_CHUNK_BYTES, len(rest)))
        self._ended = not data
        try:
            self._text = rest + self._utf8.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            raise BrokenJson("not UTF-8; save it as UTF-8") from error
        self._at = 0
        return True
