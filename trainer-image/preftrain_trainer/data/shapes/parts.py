"""Separates prompt and answers, however much of the prompt the answers repeat, and checks both."""

from collections.abc import Sequence

from preftrain_trainer.data.dialogue import Messages, is_hh, parse_hh, shared_start
from preftrain_trainer.data.pairs import LabelledAnswer, Message, PreferencePair, Text
from preftrain_trainer.data.shapes.left_out import MalformedRow


def pair(
    row: int, prompt: Text | None, chosen: Text, rejected: Text, before: Messages | None
) -> PreferencePair:
    """The pair of two answers; identical ones are not this function's business.

    Args:
        row: number of the row.
        prompt: None when the answers hold it.
        chosen: the preferred answer, or the conversation that ends with it.
        rejected: the other one, likewise.
        before: turns in front of the prompt; None where the set has none at all.

    Raises:
        MalformedRow: a part is missing, mistyped or empty.
    """
    if isinstance(chosen, str) != isinstance(rejected, str):
        raise MalformedRow("one answer is text, the other a list of messages")
    asked, (good, bad) = _under(before, *_separate(prompt, (chosen, rejected)))
    _check(asked, chosen=good, rejected=bad)
    return PreferencePair(row, asked, good, bad)


def labelled(
    row: int, prompt: Text | None, completion: Text, desirable: bool, before: Messages | None
) -> LabelledAnswer:
    """The same for one answer and its label.

    Raises:
        MalformedRow: a part is missing, mistyped or empty.
    """
    asked, (answer,) = _under(before, *_separate(prompt, (completion,)))
    _check(asked, completion=answer)
    return LabelledAnswer(row, asked, answer, desirable)


def _separate(prompt: Text | None, answers: Sequence[Text]) -> tuple[Text, list[Text]]:
    texts = [answer for answer in answers if isinstance(answer, str)]
    if not texts:
        talks = [answer for answer in answers if not isinstance(answer, str)]
        return _separate_turns(prompt, talks)
    if all(map(is_hh, texts)) and (prompt is None or _is_hh_prompt(prompt)):
        return _separate_turns(None, [parse_hh(text) for text in texts])
    if prompt is None:
        return _separate_texts(texts)
    if isinstance(prompt, str):
        if not _is_hh_prompt(prompt):
            return prompt, list(texts)
        prompt = parse_hh(prompt)
    return prompt, [_answer(text) for text in texts]


def _is_hh_prompt(prompt: Text) -> bool:
    return isinstance(prompt, str) and is_hh(f"{prompt}\n\nAssistant:")


def _separate_texts(texts: Sequence[str]) -> tuple[Text, list[Text]]:
    if len(texts) == 1:
        raise MalformedRow("there is no prompt")
    length = 0
    for letters in zip(*texts, strict=False):
        if len(set(letters)) > 1:
            break
        length += 1
    # Answers may begin with the same letters; the prompt ends before the word they differ in.
    start = texts[0]
    while length and not start[length - 1].isspace():
        length -= 1
    if not start[:length].strip():
        raise MalformedRow("there is no prompt: the answers have no beginning in common")
    return start[:length], [text[length:] for text in texts]


def _separate_turns(prompt: Text | None, talks: Sequence[Messages]) -> tuple[Text, list[Text]]:
    if not isinstance(prompt, str | None):
        length = len(prompt)
        repeated = all(talk[:length] == prompt for talk in talks)
        return prompt, [talk[length:] if repeated else talk for talk in talks]
    count = shared_start(talks[0], talks[-1] if len(talks) > 1 else talks[0][:-1])
    if count:
        return talks[0][:count], [talk[count:] for talk in talks]
    if prompt is None:
        raise MalformedRow("there is no prompt: the conversations have no turn in common")
    return (Message(role="user", content=prompt),), list(talks)


def _under(before: Messages | None, prompt: Text, answers: list[Text]) -> tuple[Text, list[Text]]:
    """The parts as a conversation that goes on from the turns before it."""
    if before is None:
        return prompt, answers
    turns = (Message(role="user", content=prompt),) if isinstance(prompt, str) else prompt
    if turns and turns[0]["role"] == "system":
        before = tuple(turn for turn in before if turn["role"] != "system")
        turns = (turns[0], *before, *turns[1:])
    else:
        turns = (*before, *turns)
    return turns, [_answer(each) if isinstance(each, str) else each for each in answers]


def _answer(text: str) -> Messages:
    return (Message(role="assistant", content=text.strip()),)


def _check(prompt: Text, **answers: Text) -> None:
    for name, value in {"prompt": prompt, **answers}.items():
        text = value if isinstance(value, str) else value[-1]["content"] if value else ""
        if not text.strip():
            raise MalformedRow(f"{name} is empty")
        try:
            whole = value if isinstance(value, str) else "".join(part["content"] for part in value)
            whole.encode()
        except UnicodeEncodeError:
            raise MalformedRow(f"{name} is not valid Unicode") from None
    if isinstance(prompt, str):
        return
    if prompt[-1]["role"] not in ("user", "tool"):
        raise MalformedRow("the prompt does not end with a turn of the user")
    for name, value in answers.items():
        if not isinstance(value, str) and value[-1]["role"] != "assistant":
            raise MalformedRow(f"{name} does not end with a turn of the assistant")
