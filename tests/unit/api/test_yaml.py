"""How manifests are read; the integration test holds the same table to a real API server."""

from __future__ import annotations

import pytest

from preftrain_api.errors import YamlError
from preftrain_api.kubernetes_yaml import MAX_NODES, load_manifest, read_scalar
from support.yaml_cases import NOT_JSON, SCALARS, WELL_FORMED


@pytest.mark.parametrize(("text", "value"), SCALARS.items())
def test_scalars_are_what_kubernetes_takes_them_for(text: str, value: object) -> None:
    """Kind and value of an unquoted scalar, as measured."""
    read = load_manifest(f"v: {text}")["v"]
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize("text", ["5e-6", "yes", "null", "0x1F", "2026-11-23", ""])
def test_quoted_scalars_are_text(text: str) -> None:
    """Quotes of either kind turn everything into text."""
    assert load_manifest(f"v: '{text}'\nw: \"{text}\"\nx: !!str {text}") == dict.fromkeys(
        "vwx", text
    )


@pytest.mark.parametrize("text", NOT_JSON)
def test_numbers_that_json_cannot_say_are_refused(text: str) -> None:
    """An infinity or not-a-number names its line."""
    with pytest.raises(YamlError, match=r"line 2: .* is no number that Kubernetes can hold"):
        load_manifest(f"a: 1\nv: {text}")


@pytest.mark.parametrize(("text", "value"), WELL_FORMED.items())
def test_structures_are_read_as_kubernetes_reads_them(text: str, value: object) -> None:
    """Block and flow style, keys that are no strings, merges, folding."""
    assert load_manifest(text) == value


REFUSED = {
    "a: 1\na: 2\n": "line 2: the key 'a' stands there twice",
    "a: 1\n'a': 2\n": "line 2: the key 'a' stands there twice",
    "1: a\n'1': b\n": "line 2: the key '1' stands there twice",
    "x: &x {a: 1}\ny: {a: 2, <<: *x}\n": "line 2: the key 'a' stands there twice",
    "a:\n\tb: 1\n": "line 2: a tab stands where YAML takes spaces only",
    "a: 1\n---\nb: 2\n": "line 3: a second document begins",
    "a: [1, 2\nb: 3\n": "line 2: not valid YAML",
    "a: b: c\n": "line 1: not valid YAML: mapping values are not allowed here",
    "a: *x\n": "line 1: not valid YAML: found undefined alias 'x'",
    "a: &x [*x]\n": "line 1: an anchor stands inside itself",
    "a: !!binary aGk=\n": "line 1: remove the tag !!binary",
    "a: ! 5\n": "line 1: remove the tag !",
    "a: !!python/name:os.system x\n": "line 1: remove the tag",
    "%YAML 1.2\n---\na: 1\n": "line 1: remove the lines that begin with %",
    "a: {<<: 1}\n": "line 1: << takes an object",
    "null: 1\n": "line 1: a key must be a string; put it in quotes",
    "1e6: 1\n": "line 1: a key must be a string; put it in quotes",
    "1.5: 1\n": "line 1: a key must be a string; put it in quotes",
    "[a]: 1\n": "line 1: a key must be a string; put it in quotes",
    "- a\n": "line 1: the manifest must be an object",
    "text\n": "line 1: the manifest must be an object",
    "": "the manifest is empty",
    "# nothing\n---\n": "the manifest is empty",
    "a: 1\nb: \x07\n": "line 2: a character stands there that YAML does not allow",
    'a: "\\ud800"\n': "line 1: \\ud800 to \\udfff are halves of a character",
    'a: "\\U00110000"\n': "a \\U escape names no character",
    'a: "\\/"\n': "line 1: not valid YAML",
    "[" * 70 + "]" * 70: "nested deeper than 64",
    "[" * 700: "nested deeper than 64",
    "a: " + "x" * 1024 * 1024: "longer than 1 MiB",
}


@pytest.mark.parametrize(("text", "said"), REFUSED.items(), ids=[text[:20] for text in REFUSED])
def test_what_is_refused_is_said_with_its_line(text: str, said: str) -> None:
    """One sentence: where it is and what is wrong."""
    with pytest.raises(YamlError) as caught:
        load_manifest(text)
    assert said in str(caught.value)


def test_a_nest_of_aliases_is_refused_before_it_fills_the_memory() -> None:
    """Nine lines of aliases would be a billion entries."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 10):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]")
    with pytest.raises(YamlError, match=f"more than {MAX_NODES} values"):
        load_manifest("\n".join(lines))


def test_windows_line_ends_and_byte_order_marks_do_not_matter() -> None:
    """Editors add both."""
    assert load_manifest("\ufeffa: 1\r\nb: yes\r\n") == {"a": 1, "b": True}


def test_json_is_yaml() -> None:
    """Programs write manifests as JSON."""
    assert load_manifest('{"a": 5e-6, "b": 1.0, "c": [null, true]}') == {
        "a": 5e-6,
        "b": 1,
        "c": [None, True],
    }


def test_scalars_alone_are_read_the_same() -> None:
    """The rule for scalars is usable without a document."""
    assert read_scalar("5e-6") == 5e-6
