"""Lets the base model and the adapter answer a few held-out prompts, side by side.

The base model is the trained one with its adapter switched off, so both answer from the same
weights, quantized or not.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from preftrain_api.spec import EvaluationSpec, PreferenceTrainingJobSpec, TrainingSpec
from preftrain_trainer.data.pairs import PreparedData
from preftrain_trainer.data.prompts import prompt_ids
from preftrain_trainer.evaluation.samples import (
    Answer,
    Ending,
    Sample,
    choose,
    distinct_prompts,
    preferred,
)
from preftrain_trainer.fit.layout import Fit
from preftrain_trainer.fit.memory import gpu_memory_reported
from preftrain_trainer.model.generation import greedy
from preftrain_trainer.model.loading import LoadedModel
from preftrain_trainer.stop import StopRequest

LONGEST_ANSWER: Final = 128
"""Tokens of an answer; enough to see what changed."""
SHORTEST_ROOM: Final = 32
"""Prompts that leave less of training.maxLength for an answer are not chosen."""
ANSWER_SECONDS: Final = 60.0
"""For all samples together, so that a slow machine does not train for an hour and then write
for another; answers are cut, and samples left out, once it is over."""


def answer_samples(
    model: LoadedModel,
    data: PreparedData,
    spec: PreferenceTrainingJobSpec,
    layout: Fit,
    *,
    stop: StopRequest,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Sample, ...]:
    """`evaluation.samples` held-out prompts with two greedy answers each.

    Fewer when fewer prompts are held out, leave room for an answer, or can be answered in time.

    Raises:
        Preempted: the process was asked to end.
        OutOfGpuMemory: even one prompt does not fit.
    """
    training = spec.training or TrainingSpec()
    count = (spec.evaluation or EvaluationSpec()).samples
    if not count:
        return ()
    examples = distinct_prompts(data.held_out)
    prompts = [prompt_ids(model.tokenizer, example.prompt) for example in examples]
    room = {
        at: len(ids)
        for at, ids in enumerate(prompts)
        if len(ids) + SHORTEST_ROOM <= training.max_length
    }
    deadline = clock() + ANSWER_SECONDS
    samples: list[Sample] = []

    def go_on() -> bool:
        stop.check()
        return clock() < deadline

    def answer(ids: list[int], without: AbstractContextManager[Any]) -> Answer:
        longest = min(LONGEST_ANSWER, training.max_length - len(ids))
        with without:
            made = greedy(model, ids, layout, longest=longest, go_on=go_on)
        cut: Ending = "Length" if len(made.ids) == longest else "Time"
        return Answer(
            text=model.tokenizer.decode(made.ids, skip_special_tokens=True).strip(),
            tokens=len(made.ids),
            ending="EndMark" if made.ended else cut,
        )

    with gpu_memory_reported("answering samples"):
        for at in choose(room, count, training.seed):
            if not go_on():
                break
            samples.append(
                Sample(
                    row=examples[at].row,
                    prompt=examples[at].prompt,
                    chosen=preferred(examples[at]),
                    base=answer(prompts[at], model.network.disable_adapter()),
                    adapter=answer(prompts[at], nullcontext()),
                )
            )
    return tuple(samples)
