"""The audit: what is left out, what is too much, and what the report says."""

from pathlib import Path
from typing import Any

import pytest

from preftrain_api.exit_codes import ExitCode
from preftrain_api.report import AuditReport, CheckResult
from preftrain_trainer.audit.checks import CHECKS
from preftrain_trainer.audit.conduct import audit
from preftrain_trainer.audit.judge import RefusedData, RefusedTemplate
from preftrain_trainer.data.pairs import LoadedData
from preftrain_trainer.errors import ModelUnavailable
from preftrain_trainer.places import opening as places
from support.tiny_model import CHATML, NO_END_MARK, THINKING, write_tokenizer
from support.trainer_cases import Rows, load_data, run_spec, text_rows, workspace, write_rows

EMPTY = {"prompt": "q", "chosen": "", "rejected": "b"}
IDENTICAL = {"prompt": "q", "chosen": "same", "rejected": "same"}
GOOD = {"prompt": "Which one?", "chosen": "This one.", "rejected": "None of them."}
SWAPPED = {**GOOD, "chosen": GOOD["rejected"], "rejected": GOOD["chosen"]}


def even_rows(count: int) -> Rows:
    """Pairs that no check has anything to say of but that they are few."""
    return [
        {"prompt": f"Question {n}?", "chosen": f"Right, {n}.", "rejected": f"Never, {n}."}
        for n in range(count)
    ]


def load(tmp_path: Path, rows: Rows, **dataset: Any) -> LoadedData:
    write_rows(tmp_path / "data.jsonl", rows)
    return load_data(run_spec(tmp_path, dataset={"uri": "file://data.jsonl", **dataset}), tmp_path)


def judged(tmp_path: Path, rows: Rows, template: str | None = None, **members: Any) -> AuditReport:
    """The report on rows; `template` makes a model whose tokenizer is asked."""
    write_rows(tmp_path / "data.jsonl", rows)
    dataset = {"uri": "file://data.jsonl", **members.pop("dataset", {})}
    run = run_spec(tmp_path, dataset=dataset, **members)
    model = None
    if template is not None:
        (tmp_path / "model").mkdir(exist_ok=True)
        write_tokenizer(tmp_path / "model", ["Question Good Bad 0123456789"], template=template)
        model = places.open_source(run.spec.model, workspace(tmp_path))
    return audit(load_data(run, tmp_path), run.spec, model)


def check(report: AuditReport, name: str) -> CheckResult:
    (found,) = (result for result in report.checks if result.name == name)
    return found


def test_a_few_bad_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    """Below the thresholds the rest is trained on, and the report has the figures."""
    report = judged(tmp_path, [*even_rows(198), EMPTY, IDENTICAL])

    assert (report.rows, report.dropped_rows) == (200, 2)
    assert report.train_rows + report.eval_rows == 198
    assert report.dropped == {"malformed": 1, "identicalPairs": 1}
    assert {found.name: (found.severity, found.count) for found in report.findings} == {
        "malformed": ("Info", 1),
        "identicalPairs": ("Info", 1),
        "fewHeldOut": ("Info", report.eval_rows),
    }
    assert "data.jsonl line 199: chosen is empty" in check(report, "malformed").sentence()


@pytest.mark.parametrize(
    ("bad", "name"),
    [([EMPTY] * 10, "malformed"), ([IDENTICAL] * 10, "identicalPairs")],
    ids=["empty", "same"],
)
def test_too_many_bad_rows_are_refused(tmp_path: Path, bad: Rows, name: str) -> None:
    """The message has the share, the threshold's name, examples, and the report comes along."""
    with pytest.raises(RefusedData) as refusal:
        judged(tmp_path, [*text_rows(90), *bad])

    message = str(refusal.value)
    assert "10 of 100 rows (10.0%)" in message
    assert f"dataset.audit.thresholds.{name} allows" in message
    assert "data.jsonl line 91" in message
    assert refusal.value.exit_code == ExitCode.DATA_REFUSED
    assert refusal.value.report.dropped_rows == 10


def test_contradictions_are_refused(tmp_path: Path) -> None:
    """Rows that prefer the opposite of each other say nothing, and too many refuse the data."""
    rows = [
        row
        for number in range(5)
        for row in (
            {**GOOD, "prompt": f"Which of {number}?"},
            {**SWAPPED, "prompt": f"Which of {number}?"},
        )
    ]
    with pytest.raises(RefusedData, match=r"dataset\.audit\.thresholds\.contradictions"):
        judged(tmp_path, [*text_rows(90), *rows])


def test_a_refusal_names_the_worst_three_the_worst_first(tmp_path: Path) -> None:
    """How bad is how many times the threshold; status and message begin with the same."""
    rows = [*text_rows(80), *[EMPTY] * 12, *[IDENTICAL] * 10]
    rows += [{**GOOD, "prompt": "p0"}, {**SWAPPED, "prompt": "p0"}] * 3
    with pytest.raises(RefusedData) as refusal:
        judged(tmp_path, rows)

    names = [found.name for found in refusal.value.report.summary().findings]
    assert names[:3] == ["malformed", "identicalPairs", "contradictions"]
    assert [found.severity for found in refusal.value.report.findings[:3]] == ["Error"] * 3
    places_of = [str(refusal.value).index(f"thresholds.{name}") for name in names[:3]]
    assert places_of == sorted(places_of)


@pytest.mark.parametrize(
    "spec",
    [{"policy": "Warn"}, {"policy": "Skip"}, {"thresholds": {"malformed": 0.2}}],
    ids=["warn", "skip", "threshold"],
)
def test_the_spec_can_let_bad_rows_pass(tmp_path: Path, spec: dict[str, Any]) -> None:
    """Another policy or threshold only reports them."""
    report = judged(tmp_path, [*text_rows(90), *[EMPTY] * 10], dataset={"audit": spec})

    assert report.dropped_rows == 10
    assert check(report, "malformed").outcome == ("Info" if "thresholds" in spec else "Warning")


def test_skip_looks_at_no_example(tmp_path: Path) -> None:
    """Only what reading counted is judged, so that no GPU waits for the rest."""
    report = judged(tmp_path, text_rows(10), dataset={"audit": {"policy": "Skip"}})

    assert {result.name for result in report.checks} == {
        name for name, made in CHECKS.items() if made.unit.endswith("rows")
    }
    assert report.lengths == ()


@pytest.mark.parametrize("policy", ["Enforce", "Warn", "Skip"])
def test_nothing_to_train_on_is_refused_under_every_policy(tmp_path: Path, policy: str) -> None:
    """Without a usable pair there is no run."""
    with pytest.raises(RefusedData, match="3 of 3 rows"):
        judged(tmp_path, [EMPTY] * 3, dataset={"audit": {"policy": policy}})


def test_unreadable_lines_are_rows_that_are_counted(tmp_path: Path) -> None:
    """A damaged line is named by number and does not hide the others."""
    path = write_rows(tmp_path / "data.jsonl", text_rows(300))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[256] = b'{"prompt": "cut of\n'
    path.write_bytes(b"".join(lines))

    loaded = load_data(run_spec(tmp_path), tmp_path)

    assert loaded.tally.dropped_rows == 1
    assert "data.jsonl line 257: not JSON" in loaded.tally.dropped["malformed"].examples[0]


def test_a_set_of_two_kinds_keeps_the_larger_one(tmp_path: Path) -> None:
    """Plain text among conversations is left out and counted."""
    talk = [
        {"prompt": [{"role": "user", "content": f"q{n}"}], "chosen": "a", "rejected": "b"}
        for n in range(299)
    ]
    loaded = load(tmp_path, [*talk, *text_rows(1)], evalFraction=0)

    assert loaded.conversational
    assert len(loaded.train) == 299
    assert (
        "row 300: not a conversation like most rows"
        in loaded.tally.dropped["malformed"].examples[0]
    )


def test_few_pairs_are_warned_about(tmp_path: Path) -> None:
    """Ten pairs train, with a warning that says how many would not be few."""
    report = judged(tmp_path, even_rows(10))

    assert {found.name for found in report.findings if found.severity == "Warning"} == {
        "fewExamples",
        "fewSteps",
    }
    assert (
        "dataset.audit.thresholds.fewExamples allows (100)" in check(report, "fewExamples").message
    )


def test_a_summary_is_small_and_has_the_worst(tmp_path: Path) -> None:
    """A status gets eight findings at most; the full report keeps every check."""
    report = judged(tmp_path, [*text_rows(10), EMPTY], dataset={"audit": {"policy": "Warn"}})

    summary = report.summary()
    assert len(summary.findings) <= 8
    assert [found.severity for found in summary.findings][:1] == ["Warning"]
    assert summary.findings[0].name == "malformed"
    assert {result.name for result in report.checks} == set(CHECKS)


def test_without_a_tokenizer_the_report_says_what_was_not_checked(tmp_path: Path) -> None:
    """A check that was not made is never one that was passed."""
    result = check(judged(tmp_path, text_rows(10)), "promptTooLong")
    assert (result.outcome, result.value) == ("NotChecked", None)
    assert "no model is named" in result.message

    run = run_spec(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    model = places.open_source(run.spec.model, workspace(tmp_path))
    report = audit(load_data(run, tmp_path), run.spec, model)

    assert "tokenizer.json" in check(report, "promptTooLong").message


def test_tokens_are_judged_before_a_gpu_is_asked_for(tmp_path: Path) -> None:
    """With the model's tokenizer the report has lengths in tokens and the checks on them."""
    report = judged(tmp_path, text_rows(120), CHATML)

    assert report.token_sample == 120
    assert {row.part for row in report.lengths if row.unit == "Tokens"} == {
        "Prompt",
        "Chosen",
        "Rejected",
    }
    assert check(report, "noEndMark").outcome == "Passed"


def test_prompts_without_room_for_an_answer_are_refused(tmp_path: Path) -> None:
    """The way out is training.maxLength."""
    rows = [{**row, "prompt": f"{row['prompt']} {'x ' * 100}"} for row in text_rows(120)]
    with pytest.raises(RefusedData, match=r"raise training\.maxLength"):
        judged(tmp_path, rows, CHATML, training={"maxLength": 64})


@pytest.mark.parametrize("policy", ["Enforce", "Warn"])
@pytest.mark.parametrize(
    ("template", "name"), [(NO_END_MARK, "noEndMark"), (THINKING, "promptNotAPrefix")]
)
def test_a_template_that_lies_is_refused_whatever_the_policy(
    tmp_path: Path, template: str, name: str, policy: str
) -> None:
    """Training would teach something else, so it is the model that is refused (66)."""
    with pytest.raises(RefusedTemplate) as refusal:
        judged(tmp_path, text_rows(120), template, dataset={"audit": {"policy": policy}})

    assert refusal.value.exit_code == ExitCode.MODEL_UNAVAILABLE
    assert check(refusal.value.report, name).outcome == "Error"


def test_conversations_need_a_template(tmp_path: Path) -> None:
    """A base model's tokenizer cannot render them."""
    talk = [
        {"prompt": [{"role": "user", "content": f"q{n}"}], "chosen": "a", "rejected": "b"}
        for n in range(9)
    ]
    write_rows(tmp_path / "data.jsonl", talk)
    run = run_spec(tmp_path)
    (tmp_path / "model").mkdir()
    write_tokenizer(tmp_path / "model", ["a b"], template=None)
    model = places.open_source(run.spec.model, workspace(tmp_path))

    with pytest.raises(ModelUnavailable, match="no chat template"):
        audit(load_data(run, tmp_path), run.spec, model)
