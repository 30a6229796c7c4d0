"""Reads manifests to the values that Kubernetes reads from them.

Kubernetes takes YAML by its own rules: the numbers of YAML 1.2 (`5e-6`, `0o17`), the
booleans of YAML 1.1 (`yes`, `on`), dates as plain strings. A manifest must mean the same on
the command line and in a cluster, so the scalars here follow what a real API server does
(measured; docs/adr/0002-manifests-read-as-kubernetes-reads-them.md). What it reads in a
surprising way and nobody needs, such as tags and repeated keys, is refused.
"""

import math
import re
from collections.abc import Hashable
from typing import Any, Final, NoReturn

import yaml
from yaml.composer import Composer
from yaml.nodes import Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from preftrain_api.as_stored import stored_number
from preftrain_api.errors import YamlError

__all__ = ["YamlError", "load_manifest", "read_scalar"]

MAX_MANIFEST_CHARACTERS: Final = 1024 * 1024
MAX_NODES: Final = 100_000
"""Nodes after expansion of aliases; a nest of aliases can double them with every line."""
MAX_DEPTH: Final = 64

_BOOLEANS: Final = {
    spelling: value
    for words, value in ((("y", "yes", "on", "true"), True), (("n", "no", "off", "false"), False))
    for word in words
    for spelling in (word, word.capitalize(), word.upper())
}
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_NOT_FINITE: Final = frozenset(
    [sign + word for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")]
    + [".nan", ".NaN", ".NAN"]
)
_INTEGER: Final = re.compile(
    r"(?P<sign>[-+]?)"
    r"(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<binary>[01]+)|0[oO]?(?P<octal>[0-7]+)|"
    r"(?P<decimal>0|[1-9][0-9]*))"
)
_BASES: Final = {"hex": 16, "binary": 2, "octal": 8, "decimal": 10}
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")

_BETWEEN_DIGITS: Final = re.compile(r"(?<=[0-9])_(?=[0-9])")

_TAG: Final = "tag:yaml.org,2002:"
_PLAIN: Final = "plain"
"""Tag of an unquoted scalar without a tag, whose kind its spelling decides."""
_TAGS: Final = frozenset(
    {_PLAIN, "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
)


def load_manifest(text: str) -> dict[str, Any]:
    """The one object that a manifest describes, as plain JSON data.

    Raises:
        YamlError: it is no YAML, holds no object or several, repeats a key, or holds
            something that JSON cannot say; the message names the line.
    """
    if len(text) > MAX_MANIFEST_CHARACTERS:
        raise YamlError("the manifest is longer than 1 MiB")
    try:
        roots = [node for node in _documents(text) if not _is_empty(node)]
        if not roots:
            raise YamlError("the manifest is empty; it must describe one object")
        if len(roots) > 1:
            _refuse(roots[1], "a second document begins; put each object into a file of its own")
        manifest = _Construction().value(roots[0])
    except yaml.YAMLError as error:
        raise YamlError(_sentence(error, text)) from None
    except RecursionError:
        raise YamlError(f"the manifest is nested deeper than {MAX_DEPTH}") from None
    if not isinstance(manifest, dict):
        _refuse(roots[0], "the manifest must be an object: lines of the form 'key: value'")
    return manifest


def read_scalar(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar.

    Raises:
        ValueError: it is an infinity or not a number, which JSON cannot say.
    """
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text in _NOT_FINITE:
        raise ValueError(f"{text} is no number that Kubernetes can hold; write a finite one")
    if text[0] not in ".+-0123456789":
        return text
    # After a leading point an underscore counts between digits only, elsewhere anywhere.
    digits = _BETWEEN_DIGITS.sub("", text) if text[0] == "." else text.replace("_", "")
    number = _number(digits)
    return text if number is None else stored_number(number)


def _number(digits: str) -> int | float | None:
    integer = _INTEGER.fullmatch(digits)
    if integer is not None:
        base = integer.lastgroup or "decimal"
        value = int(integer["sign"] + integer[base], _BASES[base])
        # Larger ones are floats when they are decimal, and strings in any other base.
        if -(2**63) <= value < 2**63 or (not integer["sign"] and value < 2**64):
            return value
    if _FLOAT.fullmatch(digits) is None:
        return None
    number = float(digits)
    return number if math.isfinite(number) else None


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML's reader of YAML text, with no opinion about scalars."""

    # Kubernetes' reader does not know the escape that JSON has for a slash.
    ESCAPE_REPLACEMENTS = {  # type: ignore[misc]  # noqa: RUF012
        code: text for code, text in Scanner.ESCAPE_REPLACEMENTS.items() if code != "/"
    }

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)

    def compose_scalar_node(self, anchor: Any) -> ScalarNode:
        tag = self.peek_event().tag  # type: ignore[no-untyped-call]
        node: ScalarNode = super().compose_scalar_node(anchor)
        if tag == "!":
            _refuse(node, "remove the tag !")
        return node

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> str:
        if kind is ScalarNode and implicit[0]:
            return _PLAIN
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]


def _documents(text: str) -> list[Node]:
    try:
        return _composed(_Loader(text))
    except (ValueError, OverflowError):
        # PyYAML hands the number of an escape like \U00110000 on unchecked.
        raise YamlError("a \\U escape names no character; write the character") from None


def _composed(loader: _Loader) -> list[Node]:
    nodes: list[Node] = []
    while loader.check_node():
        start = loader.peek_event()  # type: ignore[no-untyped-call]
        if start.version or start.tags:
            line = start.start_mark.line + 1
            raise YamlError("remove the lines that begin with %", line)
        node = loader.get_node()
        if node is not None:
            nodes.append(node)
    return nodes


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == _PLAIN and node.value == ""


class _Construction:
    """Makes plain data out of nodes, with a count of how many."""

    def __init__(self) -> None:
        self._nodes = 0
        self._open: list[Node] = []

    def value(self, node: Node) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            _refuse(node, f"the manifest holds more than {MAX_NODES} values; use fewer aliases")
        if node.tag not in _TAGS:
            _refuse(node, f"remove the tag {node.tag.replace(_TAG, '!!')}")
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if any(node is ancestor for ancestor in self._open):
            _refuse(node, "an anchor stands inside itself")
        if len(self._open) >= MAX_DEPTH:
            _refuse(node, f"the manifest is nested deeper than {MAX_DEPTH}")
        self._open.append(node)
        try:
            if isinstance(node, SequenceNode):
                return [self.value(item) for item in node.value]
            return self._mapping(node)
        finally:
            self._open.pop()

    def _scalar(self, node: ScalarNode) -> str | int | float | bool | None:
        if node.tag != _PLAIN:
            return _writable(node)
        try:
            return read_scalar(node.value)
        except ValueError as error:
            _refuse(node, str(error))

    def _mapping(self, node: Node) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                for merged in self._merged(value_node):
                    for key, value in merged.items():
                        self._add(content, key, value, key_node)
            else:
                self._add(content, self._key(key_node), self.value(value_node), key_node)
        return content

    def _merged(self, node: Node) -> list[dict[str, Any]]:
        value = self.value(node)
        merged = value if isinstance(value, list) else [value]
        if not all(isinstance(entry, dict) for entry in merged):
            _refuse(node, "<< takes an object or a list of objects")
        return merged

    def _add(self, content: dict[str, Any], key: str, value: Any, node: Node) -> None:
        if key in content:
            _refuse(node, f"the key {key!r} stands there twice; remove one")
        content[key] = value

    def _key(self, node: Node) -> str:
        key: Hashable = self.value(node) if isinstance(node, ScalarNode) else None
        if isinstance(key, bool):
            return "true" if key else "false"
        if isinstance(key, int) and _INTEGER.fullmatch(node.value.replace("_", "")):
            return str(key)
        if not isinstance(key, str):
            _refuse(node, "a key must be a string; put it in quotes")
        return key


def _writable(node: ScalarNode) -> str:
    text = str(node.value)
    if any("\ud800" <= character <= "\udfff" for character in text):
        _refuse(node, "\\ud800 to \\udfff are halves of a character; write the character itself")
    return text


def _is_merge(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == _PLAIN and node.value == "<<"


def _refuse(node: Node, problem: str) -> NoReturn:
    raise YamlError(problem, line=node.start_mark.line + 1)


def _sentence(error: yaml.YAMLError, text: str) -> str:
    """What PyYAML found, in one line; tabs get their own words, for they cannot be seen."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        if "'\\t'" in error.problem:
            return f"{where}a tab stands where YAML takes spaces only; use spaces"
        context = f" {error.context}" if error.context else ""
        return f"{where}not valid YAML:{context}: {error.problem}".replace("::", ":")
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"line {line}: a character stands there that YAML does not allow; remove it"
    return "not valid YAML: " + " ".join(str(error).split())
