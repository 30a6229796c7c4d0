"""What an attempt at a run has in hand before it loads the model, and what it goes on from."""

import logging
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from preftrain_api.run_spec import RunSpec
from preftrain_api.spec import CheckpointSpec, TrainingSpec
from preftrain_trainer import versions
from preftrain_trainer.checkpoint.attempt import Attempt
from preftrain_trainer.checkpoint.remote import CheckpointPlace, Saved
from preftrain_trainer.checkpoint.resume import Wanted, require_same_run
from preftrain_trainer.environment import environment
from preftrain_trainer.fit.device import Device
from preftrain_trainer.fit.layout import Fit, fit
from preftrain_trainer.places.opening import checkpoints_with_output, open_checkpoints, open_output
from preftrain_trainer.places.store import ObjectStore
from preftrain_trainer.prepare import Prepared
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.publishing.claim import Claim, take_claim
from preftrain_trainer.publishing.evidence import Evidence
from preftrain_trainer.stop import StopRequest
from preftrain_trainer.workspace import Workspace

_log = logging.getLogger("preftrain")


@dataclass(frozen=True, slots=True)
class Course:
    """One attempt, once it is known what it goes on from."""

    run: RunSpec
    workspace: Workspace
    board: ProgressBoard
    stop: StopRequest
    device: Device
    prepared: Prepared
    layout: Fit
    store: ObjectStore
    claim: Claim
    checkpoints: CheckpointPlace
    resumed: Saved | None
    attempt: Attempt

    def evidence(self) -> Evidence:
        """What is known by now, as long as nothing was judged."""
        now, shown = time.monotonic(), self.board.snapshot()
        return Evidence(
            run=self.run,
            pins=self.prepared.pins,
            spec_hash=self.prepared.spec_hash,
            data_report=self.prepared.data.report,
            resolved=self.layout.resolved(),
            versions=self.attempt.versions,
            environment=environment(self.device),
            created=datetime.now(UTC),
            steps=shown.step,
            adapter_step=shown.step,
            metrics=shown.metrics,
            findings=shown.findings,
            evaluation=None,
            gates=(),
            withheld=True,
            attempts=self.attempt.records(shown.step, now),
            gpu_seconds=self.attempt.gpu_seconds(now),
        )


def begin(
    run: RunSpec,
    workspace: Workspace,
    board: ProgressBoard,
    stop: StopRequest,
    started: float,
    device: Device,
    prepared: Prepared,
) -> Course:
    """Lay the run out, take the claim, and find out where an earlier attempt has ended.

    Raises:
        BadSpec: the device cannot do what the spec asks for, or the checkpoints are of another
            run.
        Preempted: a publication was decided meanwhile, or the process was asked to end.
        ObjectStoreUnavailable: a store fails.
    """
    layout = fit(run.spec, len(prepared.data.train), device)
    store = open_output(run, workspace, patient=True)
    claim = take_claim(store, workspace.holder, prepared.fencing)
    checkpoints = CheckpointPlace(
        store=open_checkpoints(run, workspace, patient=True),
        fencing=prepared.checkpoint_fencing,
        holder=workspace.holder,
        require_claim=claim.check,
        keep=(run.spec.checkpoint or CheckpointSpec()).keep,
    )
    if not checkpoints_with_output(run.spec):
        checkpoints.store.discard_unfinished()
    wanted = Wanted(
        spec_hash=prepared.spec_hash,
        data_digest=prepared.data.digest,
        precision=layout.precision,
        micro_batch_size=(run.spec.training or TrainingSpec()).micro_batch_size,
    )
    resumed = checkpoints.newest(
        workspace.checkpoints / "resumed", partial(require_same_run, wanted=wanted), stop.check
    )
    if resumed is not None:
        _log.info("going on after step %d, from %s", resumed.state.step, resumed.url)
        layout = replace(layout, micro_batch_size=resumed.state.key.micro_batch_size)
    attempt = Attempt(
        key=wanted.key(layout.micro_batch_size),
        number=max(run.identity.attempt, 1),
        pod_uid=workspace.holder,
        started=started,
        holds_gpu=device.kind == "GPU",
        versions=versions.versions(),
        environment=environment(device),
        resumed=resumed.state if resumed else None,
    )
    return Course(
        run, workspace, board, stop, device, prepared, layout, store, claim, checkpoints, resumed,
        attempt,
    )  # fmt: skip
