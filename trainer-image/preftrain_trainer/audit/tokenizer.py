"""Renders and tokenizes as the training library will, without loading it.

Importing transformers beside torch takes 18 seconds, and Unsloth must be imported before it;
`tokenizers` and jinja2 do the work in either case and take a third of a second. That both give
the same tokens is held by a test.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from preftrain_trainer.data.pairs import Message
from preftrain_trainer.errors import ModelUnavailable
from preftrain_trainer.places.source import Source

if TYPE_CHECKING:
    from jinja2 import Template
    from tokenizers import Tokenizer

TOKENIZER: Final = "tokenizer.json"
_CONFIG: Final = "tokenizer_config.json"
_TEMPLATE: Final = "chat_template.jinja"
_GENERATION: Final = "generation_config.json"
_SPECIAL: Final = "special_tokens_map.json"
_FILES: Final = frozenset({TOKENIZER, _CONFIG, _TEMPLATE, _GENERATION, _SPECIAL})

Turns = Sequence[Message]


class Unrenderable(Exception):
    """The chat template refuses a conversation; the message says why."""


@dataclass(frozen=True, slots=True)
class ModelTokenizer:
    """Tokenizer and chat template of a model.

    Attributes:
        backend: of the tokenizers library.
        template: compiled; None when the model has none.
        special: special tokens by role, as templates take them.
        end_marks: ids of which one must end every answer.
    """

    backend: "Tokenizer"
    template: "Template | None"
    special: dict[str, str]
    end_marks: frozenset[int]

    @property
    def start_id(self) -> int | None:
        """Id of the beginning-of-sequence token."""
        return self._id("bos_token")

    @property
    def end_id(self) -> int | None:
        """Id of the end-of-sequence token."""
        return self._id("eos_token")

    def _id(self, role: str) -> int | None:
        token = self.special.get(role)
        found: int | None = None if token is None else self.backend.token_to_id(token)
        return found

    def render(self, turns: Turns, *, for_answer: bool) -> str:
        """The conversation as text, `for_answer` with the beginning of the next turn.

        Raises:
            Unrenderable: the template refuses it.
        """
        from jinja2 import TemplateError

        assert self.template is not None  # noqa: S101 - callers choose the form by it
        try:
            return self.template.render(
                messages=list(turns),
                tools=None,
                documents=None,
                add_generation_prompt=for_answer,
                **self.special,
            )
        except (TemplateError, TypeError, AttributeError, KeyError) as error:
            raise Unrenderable(str(error)) from error

    def ids(self, texts: Iterable[str], *, special: bool) -> list[list[int]]:
        """Token ids of each text; `special` adds what the tokenizer puts around a text."""
        batch = self.backend.encode_batch(list(texts), add_special_tokens=special)
        return [encoding.ids for encoding in batch]


def fetch_tokenizer(source: Source) -> Path | None:
    """A folder with the model's tokenizer, or None when it has none of the usual form.

    Raises:
        TrainerError: it cannot be read.
    """
    files = [file for file in source.files() if file.name in _FILES]
    if not any(file.name == TOKENIZER for file in files):
        return None
    return source.fetch(files)


def load_tokenizer(folder: Path, uri: str) -> ModelTokenizer:
    """The tokenizer in `folder`; `uri` is what errors call it.

    Raises:
        ModelUnavailable: it is damaged, or its template cannot be compiled.
    """
    from tokenizers import Tokenizer

    try:
        backend = Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:
        # The library raises nothing narrower.
        raise ModelUnavailable(f"model.uri {uri}: {TOKENIZER} is damaged ({error})") from error
    backend.no_truncation()
    backend.no_padding()
    config = _json(folder / _CONFIG, uri)
    special = _special(_json(folder / _SPECIAL, uri) | config)
    marks = _as_ids(_json(folder / _GENERATION, uri).get("eos_token_id"))
    if "eos_token" in special and (end := backend.token_to_id(special["eos_token"])) is not None:
        marks |= {end}
    return ModelTokenizer(backend, _compiled(folder, config, uri), special, frozenset(marks))


def _json(path: Path, uri: str) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"model.uri {uri}: {path.name} is damaged ({error})") from error
    return value if isinstance(value, dict) else {}


def _special(config: dict[str, Any]) -> dict[str, str]:
    """Special tokens, which are written as text or as objects with their content."""
    found = {}
    for name in ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token"):
        value = config.get(name)
        content = value.get("content") if isinstance(value, dict) else value
        if isinstance(content, str):
            found[name] = content
    return found


def _as_ids(value: Any) -> set[int]:
    values = value if isinstance(value, list) else [value]
    return {item for item in values if isinstance(item, int)}


def _compiled(folder: Path, config: dict[str, Any], uri: str) -> "Template | None":
    path = folder / _TEMPLATE
    text = path.read_text(encoding="utf-8") if path.is_file() else config.get("chat_template")
    if isinstance(text, list):
        named = {item.get("name"): item.get("template") for item in text if isinstance(item, dict)}
        text = named.get("default")
    if not isinstance(text, str) or not text:
        return None
    from jinja2 import TemplateError

    try:
        template: Template = _environment().from_string(text)
    except TemplateError as error:
        raise ModelUnavailable(
            f"model.uri {uri}: the chat template cannot be compiled ({error}); use a model whose "
            "template is whole"
        ) from error
    return template


def _environment() -> Any:
    """Jinja as templates of models expect it (transformers, `chat_template_utils`)."""
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks the answer for other purposes; here it is its content."""

        tags = {"generation"}  # noqa: RUF012 - jinja2's own way

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def refuse(message: str) -> NoReturn:
        raise TemplateError(message)

    def to_json(value: Any, **options: Any) -> str:
        return json.dumps(value, **{"ensure_ascii": False, **options})

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    made.filters["tojson"] = to_json
    made.globals["raise_exception"] = refuse
    made.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
    return made
