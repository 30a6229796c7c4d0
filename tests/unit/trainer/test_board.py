"""What a run shows of itself, on the board and over HTTP."""

import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from preftrain_api.progress import Progress
from preftrain_api.report import Evaluation, Finding
from preftrain_trainer.errors import BadSpec
from preftrain_trainer.guards.rules import limits_of
from preftrain_trainer.guards.stall import stalled
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.progress.metrics import progress_json, serve
from preftrain_trainer.progress.records import StepRecord

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def board() -> ProgressBoard:
    return ProgressBoard("pod-1", now=lambda: NOON)


@pytest.fixture
def address(board: ProgressBoard) -> Iterator[str]:
    with serve(board, 0) as port:
        yield f"http://127.0.0.1:{port}"


def test_changes_of_two_threads_are_told_in_their_order(board: ProgressBoard) -> None:
    """An upload that ends meanwhile must not bring back what was shown before."""
    told: list[tuple[str, int | None]] = []
    saved = threading.Thread(target=board.saved, args=(7,))

    def slow(progress: Progress) -> None:
        if progress.phase == "Publishing" and saved.ident is None:
            saved.start()
            saved.join(0.2)  # it cannot end, because this is not told yet
        told.append((progress.phase, progress.checkpoint_step))

    board.add_listener(slow)
    board.phase("Publishing")
    saved.join()

    assert told == [("Publishing", None), ("Publishing", 7)]


def read(url: str) -> str:
    with urlopen(url, timeout=5) as answer:  # noqa: S310  # a server of this test
        return str(answer.read().decode())


def sample(text: str, name: str) -> float:
    match = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert match, f"{name} is missing"
    return float(match[1])


def test_the_time_left_follows_the_median_step(board: ProgressBoard) -> None:
    """The first step compiles and does not count once there are others."""
    board.plan(10)
    board.phase("Training")
    board.step(StepRecord(step=1, seconds=40.0, loss=0.7))
    assert board.snapshot().eta_seconds == 360
    for step, seconds in ((2, 2.0), (3, 9.0), (4, 3.0)):
        board.step(StepRecord(step=step, seconds=seconds, loss=0.6))
    assert board.snapshot().eta_seconds == 18
    assert board.snapshot().percent == 40
    assert board.snapshot().first_step_time == NOON


def test_a_resumed_run_goes_on_where_it_was(board: ProgressBoard) -> None:
    """Steps, figures and the first step's time are shown at once, and what is safe."""
    board.plan(100)
    early = NOON.replace(hour=9)
    warned = Finding(name="Entropy", severity="Warning", message="rising", step=30)
    board.finding(warned)
    board.resume(StepRecord(step=40, loss=0.5), early, (warned,))
    shown = board.snapshot()
    assert (shown.step, shown.checkpoint_step, shown.first_step_time) == (40, 40, early)
    assert shown.metrics.loss == 0.5
    assert board.start_step == 40
    assert shown.findings == (warned,)

    board.step(StepRecord(step=41, seconds=40.0, loss=0.5))
    board.step(StepRecord(step=42, seconds=2.0, loss=0.5))
    board.saved(42)

    shown = board.snapshot()
    assert (shown.eta_seconds, shown.checkpoint_step) == (2.0 * 58, 42)
    assert shown.first_step_time == early


def test_an_evaluation_stays_visible_while_training_goes_on(board: ProgressBoard) -> None:
    """Later steps replace the training figures only."""
    board.evaluated(
        Evaluation(
            pairs=9,
            reward_accuracy=0.7,
            accuracy_low=0.4,
            accuracy_high=0.9,
            reward_margin=0.2,
            loss=0.5,
        )
    )
    board.step(StepRecord(step=5, loss=0.4))
    metrics = board.snapshot().metrics
    assert (metrics.loss, metrics.eval_reward_accuracy, metrics.eval_loss) == (0.4, 0.7, 0.5)


def test_listeners_hear_every_change(board: ProgressBoard) -> None:
    """The terminal's bar hangs on the board."""
    heard: list[Progress] = []
    board.add_listener(heard.append)
    board.phase("LoadingModel")
    board.plan(3)
    assert [progress.phase for progress in heard] == ["LoadingModel", "LoadingModel"]
    assert heard[-1].total_steps == 3


def test_the_operator_reads_progress_as_json(board: ProgressBoard, address: str) -> None:
    """It names the pod and parses as the contract's model, before and after the first step."""
    assert json.loads(read(f"{address}/progress"))["phase"] == "Starting"
    board.plan(4)
    board.step(StepRecord(step=1, seconds=1.0, loss=0.69, reward_margin=0.0))
    progress = Progress.model_validate_json(read(f"{address}/progress"))
    assert (progress.uid, progress.step, progress.total_steps) == ("pod-1", 1, 4)
    assert progress.metrics.loss == 0.69


def test_prometheus_reads_what_the_board_shows(board: ProgressBoard, address: str) -> None:
    """Gauges for the newest step, a histogram of durations, a counter of tokens."""
    board.phase("Training")
    board.plan(4)
    board.step(StepRecord(step=1, seconds=3.0, loss=0.69, tokens=100))
    board.step(StepRecord(step=2, seconds=1.5, loss=0.5, entropy=1.25, tokens=260))
    text = read(f"{address}/metrics")
    assert sample(text, "preftrain_step") == 2
    assert sample(text, "preftrain_total_steps") == 4
    assert sample(text, "preftrain_loss") == 0.5
    assert sample(text, "preftrain_entropy") == 1.25
    assert sample(text, "preftrain_tokens_total") == 260
    assert sample(text, "preftrain_step_seconds_count") == 2
    assert sample(text, "preftrain_step_seconds_sum") == 4.5
    assert sample(text, "preftrain_last_step_timestamp_seconds") == NOON.timestamp()
    assert sample(text, 'preftrain_phase{phase="Training"}') == 1
    assert sample(text, 'preftrain_phase{phase="Starting"}') == 0
    assert "preftrain_eval_loss NaN" in text


def test_what_guards_say_is_counted(board: ProgressBoard, address: str) -> None:
    """By guard and severity; findings of the data are none of them."""
    board.finding(Finding(name="Entropy", severity="Warning", message="x", step=3))
    board.finding(Finding(name="Entropy", severity="Error", message="x", step=3))
    board.finding(Finding(name="identicalAfterTruncation", severity="Warning", message="x"))
    text = read(f"{address}/metrics")
    name = "preftrain_guard_findings_total"
    assert sample(text, f'{name}{{guard="Entropy",severity="Warning"}}') == 1
    assert sample(text, f'{name}{{guard="Entropy",severity="Error"}}') == 1
    assert "identicalAfterTruncation" not in text


def test_a_stalled_run_is_told_to_whoever_asks() -> None:
    """Only while it trains and only as long as it lasts; the process itself cannot notice."""
    clock = [NOON]
    board = ProgressBoard("pod-1", now=lambda: clock[0])
    board.judge_pace(partial(stalled, limits=limits_of("Stall", None)))
    board.plan(4)
    board.phase("Training")
    clock[0] += timedelta(hours=1)
    assert board.snapshot().findings == ()  # the first step may compile for long
    board.step(StepRecord(step=1, seconds=3.0, loss=0.69))
    clock[0] += timedelta(hours=1)
    assert [finding.name for finding in board.snapshot().findings] == ["Stall"]
    board.phase("Evaluating")
    assert board.snapshot().findings == ()
    board.phase("Training")
    assert board.snapshot().findings == ()
    board.step(StepRecord(step=2, seconds=3.0, loss=0.69))
    assert board.snapshot().findings == ()


@pytest.mark.parametrize(
    ("logged_as", "gauge"),
    [
        ("kl", "preftrain_kl"),
        ("nll_loss", "preftrain_negative_log_likelihood"),
        ("log_odds_ratio", "preftrain_log_odds_ratio"),
        ("log_odds_chosen", "preftrain_log_odds_chosen"),
        ("logits/chosen", "preftrain_logits_chosen"),
        ("logits/rejected", "preftrain_logits_rejected"),
    ],
)
def test_figures_of_single_methods_are_shown(
    board: ProgressBoard, address: str, logged_as: str, gauge: str
) -> None:
    """Under our names; NaN until a method logs one."""
    assert f"{gauge} NaN" in read(f"{address}/metrics")
    board.step(StepRecord.of_log(1, {"loss": 0.5, logged_as: 0.25}))
    assert sample(read(f"{address}/metrics"), gauge) == 0.25


def test_health_is_answered_and_strangers_are_not(address: str) -> None:
    """Three pages, and 404 for the rest."""
    assert read(f"{address}/healthz") == "ok\n"
    with pytest.raises(HTTPError, match="404") as refused:
        read(f"{address}/secrets")
    refused.value.close()


def test_progress_never_exceeds_16_kib() -> None:
    """The oldest findings go first; the figures stay."""
    findings = tuple(
        Finding(name=f"finding-{i}", severity="Warning", message="x" * 1024) for i in range(16)
    )
    progress = Progress(uid="pod-1", phase="Training", step=3, findings=findings)
    text = progress_json(progress)
    assert len(text) <= 16 * 1024
    kept = Progress.model_validate_json(text)
    assert kept.step == 3
    assert kept.findings[-1].name == "finding-15"
    assert 10 < len(kept.findings) < 16


def test_no_port_means_no_server(board: ProgressBoard) -> None:
    """On a workstation nothing listens unless it was asked to."""
    with serve(board, None) as port:
        assert port is None


def test_a_port_that_cannot_be_had_is_named(board: ProgressBoard) -> None:
    """A taken port and one that does not exist are the user's to change."""
    with serve(board, 0) as taken, pytest.raises(BadSpec, match=f"port {taken} .*--port"):
        serve(board, taken).__enter__()
    with pytest.raises(BadSpec, match="from 0 to 65535"):
        serve(board, 99_999).__enter__()


def test_listeners_never_see_a_step_with_the_time_left_of_the_one_before(
    board: ProgressBoard,
) -> None:
    """The last line of a log must not promise minutes that are over."""
    seen: list[tuple[int, float | None]] = []
    board.plan(2)
    board.add_listener(lambda progress: seen.append((progress.step, progress.eta_seconds)))

    board.step(StepRecord(step=1, seconds=10.0))
    board.step(StepRecord(step=2, seconds=10.0))

    assert seen == [(1, 10.0), (2, 0.0)]
