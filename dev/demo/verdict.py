"""Whether the demo has shown that the model learnt its preference: pure, no input or output.

The thresholds stand here once; the report prints the reasons that this module gives.
"""

from dataclasses import dataclass

from preftrain_trainer.evaluation.statistics import wilson_interval

CHANCE = 0.5
MIN_MOVED = 0.3
MIN_STEPS_SEEN = 0.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the verdict looks at."""

    held_out_pairs: int
    """0 when the run evaluated nothing."""
    reward_accuracy: float
    length_before: float
    """Mean tokens of the base model's free answers."""
    length_after: float
    """Mean tokens of the adapter's free answers."""
    empty_answers: int
    """Answers of the adapter without text."""
    steps: int
    """Optimizer steps of the run."""
    steps_seen: int
    """Optimizer steps of which Prometheus holds a sample."""
    broken_files: tuple[str, ...] = ()
    """Published files that the manifest contradicts."""
    withheld: bool = False
    """Whether the run itself refused to publish the adapter."""

    @property
    def moved(self) -> float:
        """Share by which free answers became shorter: the preference that was trained."""
        return 1 - self.length_after / self.length_before if self.length_before else 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Passed when there is no reason against it."""

    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the demo may call itself a success."""
        return not self.reasons


def verdict(evidence: Evidence) -> Verdict:
    """Judge a run; every reason is one sentence with its figures."""
    checks = (
        not_withheld,
        better_than_chance,
        moved_enough,
        no_empty_answer,
        seen_by_prometheus,
        files_whole,
    )
    return Verdict(tuple(reason for check in checks if (reason := check(evidence))))


def not_withheld(evidence: Evidence) -> str | None:
    """The run's own gates come first."""
    return "The run withheld its adapter because a gate failed." if evidence.withheld else None


def better_than_chance(evidence: Evidence) -> str | None:
    """The lower end of the interval must be above chance, not the share alone."""
    if evidence.held_out_pairs < 1:
        return "The manifest holds no evaluation on held-out pairs."
    correct = round(evidence.reward_accuracy * evidence.held_out_pairs)
    low, _ = wilson_interval(correct, evidence.held_out_pairs)
    if low > CHANCE:
        return None
    return (
        f"Held-out reward accuracy is not above chance: the interval's lower end is {low:.3f}, "
        f"and it must be above {CHANCE}."
    )


def moved_enough(evidence: Evidence) -> str | None:
    """What the model says must change, not only what it prefers among given answers."""
    if evidence.moved >= MIN_MOVED:
        return None
    return (
        f"Free answers went from {evidence.length_before:.1f} to {evidence.length_after:.1f} "
        f"tokens, {evidence.moved:.0%} shorter; at least {MIN_MOVED:.0%} is needed."
    )


def no_empty_answer(evidence: Evidence) -> str | None:
    """Silence is short too, and must not count as success."""
    if evidence.empty_answers == 0:
        return None
    return f"{evidence.empty_answers} of the adapter's answers are empty."


def seen_by_prometheus(evidence: Evidence) -> str | None:
    """The curves must be there for whoever looks at Prometheus."""
    if evidence.steps and evidence.steps_seen >= MIN_STEPS_SEEN * evidence.steps:
        return None
    return (
        f"Prometheus holds samples of {evidence.steps_seen} of {evidence.steps} steps; "
        "at least half are needed."
    )


def files_whole(evidence: Evidence) -> str | None:
    """A manifest promises that everything it lists is there and whole."""
    if not evidence.broken_files:
        return None
    return f"The manifest contradicts what is stored: {', '.join(evidence.broken_files)}."
