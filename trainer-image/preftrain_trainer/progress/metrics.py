"""The HTTP port of a training pod: `/metrics` for Prometheus, `/progress` for the operator.

Standard library and prometheus-client alone, so that it answers before torch is imported.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from preftrain_api.guards import GUARD_NAMES
from preftrain_api.progress import MAX_PROGRESS_BYTES, Phase, Progress
from preftrain_api.report import Finding
from preftrain_trainer.errors import BadSpec
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.progress.records import StepRecord

PHASES: Final[tuple[str, ...]] = get_args(Phase)

_OF_PROGRESS: Final = {
    "loss": "Training loss of the newest step.",
    "reward_margin": "Mean reward of chosen minus rejected answers.",
    "reward_accuracy": "Share of pairs whose chosen answer has the larger reward.",
    "rewards_chosen": "Mean reward of the chosen answers.",
    "rewards_rejected": "Mean reward of the rejected answers.",
    "learning_rate": "Learning rate of the newest step.",
    "grad_norm": "Norm of the gradient before clipping.",
    "eval_loss": "Loss on the held-out pairs.",
    "eval_reward_margin": "Mean margin on the held-out pairs.",
    "eval_reward_accuracy": "Reward accuracy on the held-out pairs.",
}
_OF_RECORD: Final = {
    "entropy": "Mean entropy of the policy on answer tokens, in nats.",
    "token_accuracy": "Share of chosen tokens that the policy would have written.",
    "log_probability_chosen": "Mean log-probability of the chosen answers, in nats.",
    "log_probability_rejected": "Mean log-probability of the rejected answers, in nats.",
    "kl": "Mean log-ratio of mismatched answers, in nats; KTO compares gains with it.",
    "negative_log_likelihood": "Of a token of prompt and chosen answer, in nats; ORPO.",
    "log_odds_ratio": "Log-sigmoid of the log odds of chosen over rejected; ORPO.",
    "log_odds_chosen": "Log odds of chosen over rejected answers; ORPO.",
    "logits_chosen": "Mean logit over the tokens of the chosen answers.",
    "logits_rejected": "Mean logit over the tokens of the rejected answers.",
}
_STEP_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class TrainerMetrics:
    """The Prometheus view of a board; which job it is, the scrape's labels say."""

    def __init__(self, board: ProgressBoard) -> None:
        self.registry = CollectorRegistry()
        self._figures = {
            name: Gauge(f"preftrain_{name}", text, registry=self.registry)
            for name, text in (_OF_PROGRESS | _OF_RECORD).items()
        }
        for gauge in self._figures.values():
            # A figure that was never measured must not read as zero.
            gauge.set(float("nan"))
        self._step = Gauge("preftrain_step", "Optimizer steps done.", registry=self.registry)
        self._total = Gauge(
            "preftrain_total_steps", "Optimizer steps in all.", registry=self.registry
        )
        self._eta = Gauge(
            "preftrain_eta_seconds", "Estimated seconds of training left.", registry=self.registry
        )
        self._last_step = Gauge(
            "preftrain_last_step_timestamp_seconds",
            "When the newest step ended.",
            registry=self.registry,
        )
        self._phase = Gauge(
            "preftrain_phase", "1 for the current phase.", ["phase"], registry=self.registry
        )
        self._seconds = Histogram(
            "preftrain_step_seconds",
            "Duration of the optimizer steps.",
            buckets=_STEP_BUCKETS,
            registry=self.registry,
        )
        self._tokens = Counter(
            "preftrain_tokens", "Tokens that went through the model.", registry=self.registry
        )
        self._tokens_seen = 0.0
        self._guard_findings = Counter(
            "preftrain_guard_findings",
            "What guards said, by guard and severity; an Error has ended the run.",
            ["guard", "severity"],
            registry=self.registry,
        )
        self._now = board.now
        self.show(board.snapshot())
        board.add_listener(self.show)
        board.add_step_listener(self.show_step)
        board.add_finding_listener(self.count)

    def show(self, progress: Progress) -> None:
        """Take over what changed on the board."""
        self._step.set(progress.step)
        self._total.set(progress.total_steps)
        self._eta.set(float("nan") if progress.eta_seconds is None else progress.eta_seconds)
        for phase in PHASES:
            self._phase.labels(phase=phase).set(phase == progress.phase)
        for name in _OF_PROGRESS:
            value = getattr(progress.metrics, name)
            if value is not None:
                self._figures[name].set(value)

    def show_step(self, record: StepRecord) -> None:
        """Take over what only the full record of a step has."""
        self._last_step.set(self._now().timestamp())
        if record.seconds is not None:
            self._seconds.observe(record.seconds)
        if record.tokens is not None:
            self._tokens.inc(max(record.tokens - self._tokens_seen, 0))
            self._tokens_seen = record.tokens
        for name in _OF_RECORD:
            value = getattr(record, name)
            if value is not None:
                self._figures[name].set(value)

    def count(self, finding: Finding) -> None:
        """Take over a guard's finding; those of the data are told elsewhere."""
        if finding.name in GUARD_NAMES:
            self._guard_findings.labels(guard=finding.name, severity=finding.severity).inc()

    def text(self) -> bytes:
        """The exposition that Prometheus reads."""
        return generate_latest(self.registry)


def progress_json(progress: Progress) -> bytes:
    """`/progress`: at most 16 KiB, the oldest findings dropped first when it is too long."""
    while True:
        text = progress.model_dump_json(by_alias=True, exclude_none=True).encode()
        if len(text) <= MAX_PROGRESS_BYTES or not progress.findings:
            return text
        progress = progress.model_copy(update={"findings": progress.findings[1:]})


@contextmanager
def serve(board: ProgressBoard, port: int | None) -> Iterator[int | None]:
    """Answer on `port` of every interface while the block runs; yields the port that was
    taken. 0 takes any free one, None serves nothing.

    Raises:
        BadSpec: the port is taken, or there is no such port.
    """
    if port is None:
        yield None
        return
    try:
        server = _Server(port, board)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "ports go from 0 to 65535"
        raise BadSpec(
            f"port {port} cannot serve metrics: {reason}; name another by --port, or 0 for any"
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, board: ProgressBoard) -> None:
        self.board = board
        self.metrics = TrainerMetrics(board)
        # A pod listens on all of its addresses: kubelet, Prometheus and operator come from
        # outside.
        super().__init__(("", port), _Handler)

    def page(self, path: str) -> tuple[str, bytes] | None:
        """Content type and body of a path; None when there is no such page."""
        if path == "/metrics":
            return CONTENT_TYPE_LATEST, self.metrics.text()
        if path == "/progress":
            return "application/json", progress_json(self.board.snapshot())
        if path == "/healthz":
            return "text/plain; charset=utf-8", b"ok\n"
        return None


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 5
    """Seconds; a client that says nothing must not hold a thread."""

    def do_GET(self) -> None:
        """Answer one of the three pages."""
        page = self.server.page(self.path.partition("?")[0])
        if page is None:
            self.send_error(404)
            return
        kind, body = page
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: a line a scrape would drown the run's own."""
