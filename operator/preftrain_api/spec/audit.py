"""What is checked in the data before a GPU is asked for, and how much of it is too much.

The measures and their consequences stand in the trainer's `audit` package; the defaults, which
a reader of the schema must find, stand here.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from preftrain_api.wire import Ratio, WireModel

LengthRatio = Annotated[float, Field(ge=1, le=1000)]
Rows = Annotated[int, Field(ge=0, le=1_000_000)]


class AuditThresholds(WireModel):
    """How much of each is too much: shares unless the description says otherwise. What lies
    above is refused or warned about; the reference page of the checks says which.
    """

    malformed: Ratio | None = None
    """Rows with a missing, empty or mistyped column. Default: 0.01."""
    identical_pairs: Ratio | None = None
    """Rows whose chosen and rejected answers are the same. Default: 0.02."""
    contradictions: Ratio | None = None
    """Rows that another row contradicts. Default: 0.02."""
    duplicates: Ratio | None = None
    """Rows that repeat an earlier one. Default: 0.1."""
    repeated_prompts: Ratio | None = None
    """Examples whose prompt has more than rowsPerPrompt of them. Default: 0.01."""
    rows_per_prompt: Rows | None = None
    """Examples of one prompt that are not yet many. Default: 8."""
    eval_overlap: Ratio | None = None
    """Rows of evalSplit whose prompt is trained on as well. Default: 0."""
    longer_chosen: Ratio | None = None
    """Pairs whose chosen answer is the longer one. Default: 0.75."""
    length_ratio: LengthRatio | None = None
    """Median length of the chosen answers over that of the rejected ones, or the other way
    round; a factor. Default: 1.5."""
    near_identical_pairs: Ratio | None = None
    """Pairs whose answers differ by less than nearIdenticalDistance. Default: 0.2."""
    near_identical_distance: Ratio | None = None
    """Edit distance of two answers, as a share of the longer one, below which they are nearly
    the same. Default: 0.05."""
    prompt_echo: Ratio | None = None
    """Examples whose good answer begins with the prompt. Default: 0.005."""
    role_markers: Ratio | None = None
    """Examples with a marker such as Human: at the beginning of a line of an answer.
    Default: 0.005."""
    template_tokens: Ratio | None = None
    """Examples that hold special tokens of chat templates as text. Default: 0.005."""
    script_mismatch: Ratio | None = None
    """Examples whose good answer is in another script than the prompt. Default: 0.1."""
    language_mismatch: Ratio | None = None
    """Sampled examples whose good answer is in another language than the prompt. Default: 0.1."""
    label_imbalance: Ratio | None = None
    """Share of the commoner label of unpaired data. Default: 0.91, about ten to one."""
    one_model_chosen: Ratio | None = None
    """Pairs whose chosen answer is of one and the same model and the rejected one of another, in
    sets that say which model wrote what. Default: 0.95."""
    secrets: Ratio | None = None
    """Examples that hold what looks like a key or password. Default: 0."""
    personal_data: Ratio | None = None
    """Examples that hold what looks like an address, a number of a card or a phone.
    Default: 0.01."""
    few_examples: Rows | None = None
    """Examples to train on that are still few; a number. Default: 100."""
    few_steps: Rows | None = None
    """Optimizer steps that are still few; a number. Default: 20."""
    identical_after_truncation: Ratio | None = None
    """Pairs whose answers are the same once cut at maxLength. Default: 0.05."""
    prompt_too_long: Ratio | None = None
    """Examples whose prompt alone reaches maxLength. Default: 0.1."""
    truncated_completions: Ratio | None = None
    """Answers that are cut at maxLength, so that their end is not learnt. Default: 0.2."""


DEFAULT_THRESHOLDS: Final = AuditThresholds(
    malformed=0.01,
    identical_pairs=0.02,
    contradictions=0.02,
    duplicates=0.1,
    repeated_prompts=0.01,
    rows_per_prompt=8,
    eval_overlap=0.0,
    longer_chosen=0.75,
    length_ratio=1.5,
    near_identical_pairs=0.2,
    near_identical_distance=0.05,
    prompt_echo=0.005,
    role_markers=0.005,
    template_tokens=0.005,
    script_mismatch=0.1,
    language_mismatch=0.1,
    label_imbalance=0.91,
    one_model_chosen=0.95,
    secrets=0.0,
    personal_data=0.01,
    few_examples=100,
    few_steps=20,
    identical_after_truncation=0.05,
    prompt_too_long=0.1,
    truncated_completions=0.2,
)
"""What holds where a job says nothing else."""


class AuditSpec(WireModel):
    """What happens before a GPU is asked for."""

    policy: Literal["Enforce", "Warn", "Skip"] = "Enforce"
    """Enforce refuses bad data, Warn only reports it, Skip leaves the prepare step out.
    Default: Enforce."""
    thresholds: AuditThresholds | None = None
    """Where your data need other limits than the defaults."""

    def in_force(self) -> AuditThresholds:
        """Every threshold, the defaults filled in."""
        given = self.thresholds.model_dump(exclude_none=True) if self.thresholds else {}
        return DEFAULT_THRESHOLDS.model_copy(update=given)
