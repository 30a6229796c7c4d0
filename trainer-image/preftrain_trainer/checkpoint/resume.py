"""Whether a run may go on from a checkpoint. Pure.

Going on with another loss, other data or another rounding would end in an adapter that no spec
describes, so whatever differs is refused by name. Another type of GPU is none of that: it is
allowed, and the manifest names the one that finished.
"""

from dataclasses import dataclass

from preftrain_trainer.checkpoint.state import Precision, ResumeState, RunKey
from preftrain_trainer.errors import ArtifactConflict, BadSpec


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the run at hand is, as far as it is known before its device is laid out."""

    spec_hash: str
    data_digest: str
    precision: Precision
    micro_batch_size: int | None
    """None when it is Auto: then the checkpoint's holds."""

    def key(self, micro_batch_size: int) -> RunKey:
        """What the checkpoints of this run say, once Auto has become a number."""
        return RunKey(
            spec_hash=self.spec_hash,
            data_digest=self.data_digest,
            micro_batch_size=micro_batch_size,
            precision=self.precision,
        )


def require_same_run(state: ResumeState, where: str, wanted: Wanted) -> None:
    """Refuse a checkpoint of another run; `where` is its URL.

    Raises:
        ArtifactConflict: it belongs to another run.
        BadSpec: it was made in another precision or with another micro-batch.
    """
    key = state.key
    way_out = "raise runRevision to begin anew, or remove that folder"
    # The hash covers the data too; asked first, they make the more telling sentence.
    if key.data_digest != wanted.data_digest:
        raise ArtifactConflict(f"{where} was trained on other data than dataset.uri has; {way_out}")
    if key.spec_hash != wanted.spec_hash:
        raise ArtifactConflict(f"{where} belongs to a run with another spec; {way_out}")
    if wanted.micro_batch_size not in (None, key.micro_batch_size):
        raise BadSpec(
            f"{where} was made with training.microBatchSize {key.micro_batch_size}, not "
            f"{wanted.micro_batch_size}; {way_out}"
        )
    if key.precision != wanted.precision:
        raise BadSpec(
            f"{where} was made in {key.precision}, but training.precision is {wanted.precision} "
            "on this device; choose such nodes with compute.nodeSelector, or raise runRevision "
            "to begin anew"
        )
