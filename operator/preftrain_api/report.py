"""Small pieces of evidence that appear in progress, results, status and manifest alike."""

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from preftrain_api.spec.audit import AuditThresholds
from preftrain_api.wire import MAX_SAFE_INTEGER, Name, Text, WireModel

Digest = Annotated[str, StringConstraints(max_length=71, pattern=r"^sha256:[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
LongUri = Annotated[str, StringConstraints(max_length=2048)]


class Finding(WireModel):
    """One thing that the audit or a guard noticed."""

    name: Name
    """Which check, for example identicalPairs or NonFinite."""
    severity: Literal["Info", "Warning", "Error"]
    """How bad it is; an Error ends the run."""
    message: Text
    """One sentence with the figures."""
    count: Count | None = None
    """Rows concerned."""
    step: Count | None = None
    """Optimizer step at which a guard spoke up."""


class DataReport(WireModel):
    """What the audit found in the data, as much of it as a status holds."""

    rows: Count
    """Rows read."""
    train_rows: Count
    """Rows that are trained on."""
    eval_rows: Count
    """Rows that are held out."""
    dropped_rows: Count = 0
    """Rows left out as unusable."""
    findings: Annotated[tuple[Finding, ...], Field(max_length=16)] = ()
    """What the audit noticed, the worst first."""


class CheckResult(WireModel):
    """What one check of the audit found."""

    name: Name
    """Which check; the reference page of the checks lists them."""
    outcome: Literal["Passed", "Info", "Warning", "Error", "NotChecked"]
    """How bad it is; an Error ends the run. NotChecked says in the message why."""
    message: Text
    """The figures in words; for NotChecked the reason."""
    way_out: Text = ""
    """What to do, where something is beyond its limit."""
    count: Count = 0
    """Rows, examples or answers concerned."""
    of: Count = 0
    """How many were looked at."""
    value: float | None = None
    """What is compared with the threshold: mostly the share of the two."""
    threshold: float | None = None
    """The limit in force."""
    examples: Annotated[tuple[Text, ...], Field(max_length=8)] = ()
    """Where the first few stand; never their content."""

    def sentence(self) -> str:
        """All of it in one sentence, with the first two examples."""
        text = self.message
        if self.examples:
            text += f", for example {', '.join(self.examples[:2])}"
        return f"{text}; {self.way_out}" if self.way_out else text


class Lengths(WireModel):
    """How long one part of the examples is."""

    part: Literal["Prompt", "Chosen", "Rejected", "Answer"]
    unit: Literal["Characters", "Tokens"]
    count: Count
    """How many were measured."""
    mean: float
    p5: Count
    p25: Count
    p50: Count
    p75: Count
    p95: Count
    p99: Count
    longest: Count


STATUS_FINDINGS: Final = 8
"""Findings that a status and a termination message get; the whole list is in the report."""


class AuditReport(DataReport):
    """`report/data_report.json`: everything that the audit found."""

    kind: Literal["Paired", "Unpaired"]
    shape: Text
    """What the rows were found to be."""
    digest: Digest
    """SHA-256 over the examples as they are trained on."""
    policy: Literal["Enforce", "Warn", "Skip"]
    thresholds: AuditThresholds
    """The limits in force, defaults filled in."""
    dropped: dict[Name, Count] = Field(default_factory=dict)
    """Rows left out, by reason."""
    filtered: Annotated[dict[Name, Count], Field(max_length=32)] = Field(default_factory=dict)
    """Rows left out by each rule of dataset.filters; a row that several apply to counts for the
    first of them."""
    checks: Annotated[tuple[CheckResult, ...], Field(max_length=64)] = ()
    """Every check, the worst first."""
    lengths: Annotated[tuple[Lengths, ...], Field(max_length=8)] = ()
    """How long prompts and answers are."""
    token_sample: Count | None = None
    """Examples that were tokenized, when they were; the others are assumed to be like them."""

    def summary(self) -> DataReport:
        """As much of it as a status holds."""
        return DataReport(
            rows=self.rows,
            train_rows=self.train_rows,
            eval_rows=self.eval_rows,
            dropped_rows=self.dropped_rows,
            findings=self.findings[:STATUS_FINDINGS],
        )


class Metrics(WireModel):
    """The latest values of the few figures that tell how a run is doing."""

    loss: float | None = None
    """Training loss."""
    reward_margin: float | None = None
    """Mean of beta-scaled log-ratio of chosen minus rejected."""
    reward_accuracy: float | None = None
    """Share of pairs whose chosen answer has the larger reward; ties count as wrong."""
    rewards_chosen: float | None = None
    """Mean reward of the preferred answers."""
    rewards_rejected: float | None = None
    """Mean reward of the other answers."""
    learning_rate: float | None = None
    """Learning rate of the latest step."""
    grad_norm: float | None = None
    """Norm of the gradients before clipping."""
    eval_loss: float | None = None
    """Loss on the held-out pairs."""
    eval_reward_margin: float | None = None
    """Reward margin on the held-out pairs."""
    eval_reward_accuracy: float | None = None
    """Reward accuracy on the held-out pairs."""


class Evaluation(WireModel):
    """Judgement on the held-out pairs, after training."""

    pairs: Count
    """Held-out pairs."""
    reward_accuracy: float
    """Share of them with the larger reward on the chosen answer."""
    accuracy_low: float
    """Lower end of the 95 % Wilson interval of reward accuracy."""
    accuracy_high: float
    """Upper end of it."""
    reward_margin: float
    """Mean margin."""
    loss: float | None = None
    chosen_log_ratio: float | None = None
    """Mean log-probability of the chosen answers, adapter minus base, in nats."""


class GateVerdict(WireModel):
    """Outcome of one gate."""

    metric: Name
    operator: Name
    threshold: float
    value: float
    passed: bool


class Artifact(WireModel):
    """A published adapter."""

    uri: LongUri
    """Folder that holds adapter/ and manifest.json."""
    digest: Digest
    """SHA-256 of the manifest."""
    manifest: LongUri
    """Where the manifest is."""


class Pins(WireModel):
    """What mutable references were resolved to, before anything was trained."""

    model_commit: Name | None = None
    """Commit of a hub model, or a digest of the folder's weights."""
    dataset_commit: Name | None = None
    """Commit of a hub dataset."""
    data_digest: Digest | None = None
    """SHA-256 over the rows as they are trained on, in order."""
