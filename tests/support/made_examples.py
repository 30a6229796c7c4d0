"""Examples that a tiny model can learn: short answers are good, long ones bad."""

from preftrain_trainer.data.pairs import LabelledAnswer, Message, PreferencePair


def made_answers(count: int) -> list[LabelledAnswer]:
    """The same answers with a label each, three good ones to a bad one."""
    pairs = made_pairs(count)
    return [
        LabelledAnswer(pair.row, pair.prompt, pair.chosen, desirable=True)
        if pair.row % 4
        else LabelledAnswer(pair.row, pair.prompt, pair.rejected, desirable=False)
        for pair in pairs
    ]


def made_pairs(count: int, *, conversational: bool = False) -> list[PreferencePair]:
    """Pairs whose chosen answers are short and whose rejected ones ramble."""
    texts = [
        (f"What is {n} plus {n}?", f"It is {2 * n}.", f"Well, to be honest, I think it is {n}.")
        for n in range(1, count + 1)
    ]
    if not conversational:
        return [PreferencePair(row, *text) for row, text in enumerate(texts, 1)]
    return [
        PreferencePair(
            row,
            (_turn("system", "Please be short."), _turn("user", prompt)),
            (_turn("assistant", chosen),),
            (_turn("assistant", rejected),),
        )
        for row, (prompt, chosen, rejected) in enumerate(texts, 1)
    ]


def _turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}
