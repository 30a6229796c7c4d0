"""Rendering and tokenizing without the training library: the same tokens, the same refusals."""

import json
from pathlib import Path
from typing import Any

import pytest

from preftrain_trainer.audit.check import Measure
from preftrain_trainer.audit.tokenizer import Unrenderable, load_tokenizer
from preftrain_trainer.audit.tokens import TokenExamination
from preftrain_trainer.data.pairs import Example, LabelledAnswer, Message, PreferencePair
from preftrain_trainer.errors import ModelUnavailable
from support.tiny_model import CHATML, write_tokenizer

TALK: list[Message] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Tell me of the Größe of 図."},
    {"role": "assistant", "content": "  It is large.\n"},
    {"role": "user", "content": "And then?"},
]

GREETING: Message = {"role": "user", "content": "Grüße"}


def made(folder: Path, template: str | None, **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    write_tokenizer(folder, ["Tell me of this and that."], template=template)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return folder


def measured(
    folder: Path, examples: list[Example], max_length: int = 512
) -> dict[str, tuple[int, int]]:
    examination = TokenExamination(load_tokenizer(folder, "file://model"), max_length)
    examination.look(examples)
    found: list[Measure] = list(examination.measures())
    return {measure.check.name: (measure.count, measure.of) for measure in found}


def test_a_start_twice_is_noticed(tmp_path: Path) -> None:
    """Some templates write what the tokenizer has written already."""
    folder = made(tmp_path / "m", "{{ bos_token }}" + CHATML)

    assert measured(folder, [PreferencePair(1, "a", "b", "c")])["doubledStart"] == (1, 1)


def test_conversations_that_the_template_refuses_are_counted(tmp_path: Path) -> None:
    """Unknown roles are for the template to say; the row is data, not an exception."""
    template = "{% if messages[0].role != 'user' %}{{ raise_exception('no') }}{% endif %}" + CHATML
    folder = made(tmp_path / "m", template)
    refused = PreferencePair(1, tuple(TALK), (TALK[2],), (TALK[2],))

    assert measured(folder, [refused, PreferencePair(2, "a", "b", "c")])["unrenderable"] == (1, 2)


def test_answers_that_are_cut(tmp_path: Path) -> None:
    """Of each pair one answer is cut here, and one pair is the same once both are."""
    folder = made(tmp_path / "m", CHATML)
    rows: list[Example] = [
        PreferencePair(1, "a", "b" * 100, "b"),
        PreferencePair(2, "a", "b" * 100, "b" * 100 + "c"),
    ]

    found = measured(folder, rows, max_length=64)

    assert found["truncatedCompletions"] == (3, 4)
    assert found["identicalAfterTruncation"] == (1, 2)
    assert found["promptTooLong"] == (0, 2)


def test_plain_text_without_a_template_ends_with_the_end_mark(tmp_path: Path) -> None:
    """A base model's data are text; labelled answers are judged like pairs."""
    folder = made(tmp_path / "m", None)

    found = measured(folder, [LabelledAnswer(1, "Once upon", " a time", True)])

    assert {name for name, (count, _) in found.items() if count} == set()
    assert found["noEndMark"] == (0, 1)


def test_a_tokenizer_without_end_mark(tmp_path: Path) -> None:
    """Text then never ends."""
    folder = made(tmp_path / "m", None, eos_token=None)

    assert measured(folder, [PreferencePair(1, "a", "b", "c")])["noEndMark"] == (1, 1)


def test_end_marks_come_from_the_generation_config_too(tmp_path: Path) -> None:
    """A model may stop at several tokens."""
    folder = made(tmp_path / "m", CHATML)
    (folder / "generation_config.json").write_text('{"eos_token_id": [1, 7]}')

    assert load_tokenizer(folder, "file://model").end_marks == {1, 7}


@pytest.mark.parametrize("form", ["file", "named", "token objects"])
def test_templates_and_tokens_in_their_several_forms(tmp_path: Path, form: str) -> None:
    """A file of its own, a list of named ones, and special tokens as objects."""
    folder = made(tmp_path / "m", None)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    if form == "file":
        (folder / "chat_template.jinja").write_text(CHATML)
    if form == "named":
        config["chat_template"] = [{"name": "tool_use", "template": "x"}, "odd"]
        config["chat_template"].append({"name": "default", "template": CHATML})
    if form == "token objects":
        config |= {"chat_template": CHATML, "eos_token": {"content": "<|im_end|>"}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))

    tokenizer = load_tokenizer(folder, "file://model")

    assert tokenizer.end_id == 1
    assert tokenizer.render(TALK, for_answer=True).endswith("<|im_start|>assistant\n")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("tokenizer.json", "{}", "tokenizer.json is damaged"),
        ("tokenizer_config.json", "{", "tokenizer_config.json is damaged"),
        ("chat_template.jinja", "{% if %}", "the chat template cannot be compiled"),
    ],
)
def test_a_damaged_tokenizer_is_named(tmp_path: Path, name: str, content: str, says: str) -> None:
    """The file stands in the message, with the model."""
    folder = made(tmp_path / "m", CHATML)
    (folder / name).write_text(content)

    with pytest.raises(ModelUnavailable, match=f"model.uri file://model: .*{says}"):
        load_tokenizer(folder, "file://model")


def test_a_config_that_is_no_object_says_nothing(tmp_path: Path) -> None:
    """Then the tokenizer has neither template nor special tokens."""
    folder = made(tmp_path / "m", CHATML)
    (folder / "tokenizer_config.json").write_text("[]")

    tokenizer = load_tokenizer(folder, "file://model")

    assert (tokenizer.template, tokenizer.special, tokenizer.start_id) == (None, {}, None)


def test_a_template_may_ask_for_the_date(tmp_path: Path) -> None:
    """Some name the day in their system prompt."""
    folder = made(tmp_path / "m", "{{ strftime_now('%Y') }}")

    assert load_tokenizer(folder, "m").render(TALK, for_answer=False) >= "2026"


def test_a_faulty_template_refuses_what_it_cannot_render(tmp_path: Path) -> None:
    """Types that do not fit are the template's way to refuse, too."""
    folder = made(tmp_path / "m", "{{ messages[0].content + 1 }}")

    with pytest.raises(Unrenderable):
        load_tokenizer(folder, "m").render(TALK, for_answer=False)


def test_templates_may_mark_the_answer_and_write_json(tmp_path: Path) -> None:
    """As transformers lets them: letters stay as they are."""
    answer = "{% generation %}{{ messages[0] | tojson }}{% endgeneration %}"
    folder = made(tmp_path / "m", answer)

    rendered = load_tokenizer(folder, "m").render([GREETING], for_answer=False)

    assert json.loads(rendered) == GREETING
    assert "Grüße" in rendered
