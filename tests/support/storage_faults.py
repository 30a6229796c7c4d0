"""The law of publication, tried: one fault at one request, and all that must hold after it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path

from preftrain_trainer.errors import TrainerError
from support.fault_proxy import Fault, Rule
from support.publication import attempt, results, visible
from support.s3_worlds import S3World

SILENCE_SECONDS = 1.0
FAULTS = (
    Fault("Answer", 403, "AccessDenied"),
    Fault("Answer", 404, "NoSuchKey"),
    Fault("Answer", 404, "NoSuchBucket"),
    Fault("Answer", 404, "NoSuchUpload"),
    Fault("Answer", 409, "ConditionalRequestConflict"),
    Fault("Answer", 412, "PreconditionFailed"),
    Fault("Answer", 500, "InternalError"),
    Fault("Answer", 501, "NotImplemented"),
    Fault("Answer", 503, "SlowDown"),
    Fault("ResetRequest"),
    Fault("ResetRequest", count=10),
    Fault("LoseAnswer"),
    Fault("CutAnswer", count=5),
    Fault("Silence"),
    Fault("Trickle"),
    Fault("DamageRequest"),
    Fault("DamageAnswer"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one disturbed publication ended; `exit_code` is 0 where it was published."""

    request: str
    exit_code: int
    was_visible: bool
    message: str


def disturb(world: S3World, fault: Fault, times: int | None, folder: Path) -> list[Outcome]:
    """Publish once for every request of a publication, that one being hit, `times` from there on.

    Raises:
        AssertionError: the law does not hold.
    """
    outcomes: list[Outcome] = []
    for nth in count(1):
        outcome = _publish_once(world, Rule(fault, nth, times), folder / f"{nth}")
        if outcome is None:
            return outcomes
        outcomes.append(outcome)
    raise AssertionError("unreachable")


def _publish_once(world: S3World, rule: Rule, folder: Path) -> Outcome | None:
    prefix = world.prefix()
    read_seconds = SILENCE_SECONDS if rule.fault.kind == "Silence" else 10.0
    store = world.disturbed(prefix, read_seconds)
    first = results(folder / "first", world.model(), "first")
    later = results(folder / "later", b"what another attempt has trained", "later")
    world.proxy.plan(rule)
    exit_code, message, artifact = 0, "", None
    try:
        artifact = attempt(store, "first", world.run, first)
    except TrainerError as error:
        exit_code, message = int(error.exit_code), str(error)
    hit = world.proxy.hit[:1]
    world.proxy.plan()
    if not hit:
        assert artifact is not None
        return None
    where = f"{rule.fault} at {hit[0]}: {message}"

    after = world.undisturbed(prefix)
    seen = visible(after)
    if artifact is not None:
        assert seen == artifact.digest, where
    else:
        assert exit_code in (69, 75), where
        assert "output.uri" in message or f"s3://{world.place.uri.root}" in message, where
    # The next attempts: the first completes, those after it find the same.
    second = attempt(after, "second", world.run, later)
    assert visible(after) == second.digest, where
    assert seen in (None, second.digest), where
    assert attempt(after, "third", world.run, later) == second, where
    assert world.unfinished(prefix) == [], where
    return Outcome(" ".join(hit[0]), exit_code, seen is not None, message)
