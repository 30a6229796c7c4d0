"""Conducts an audit: what is cheap first, and nothing beyond a refusal."""

from preftrain_api.report import AuditReport
from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_trainer.audit.examine import (
    examine,
    examine_tokens,
    glance,
    without_tokens,
)
from preftrain_trainer.audit.judge import report_of, require_usable
from preftrain_trainer.audit.tokenizer import TOKENIZER, fetch_tokenizer, load_tokenizer
from preftrain_trainer.data.pairs import LoadedData
from preftrain_trainer.places.source import Source


def audit(loaded: LoadedData, spec: PreferenceTrainingJobSpec, model: Source | None) -> AuditReport:
    """The report on data that may be trained on; `spec` is resolved.

    Under the policy Skip only what reading left out is judged.

    Raises:
        RefusedData: nothing is left, or a threshold is exceeded and the policy is Enforce.
        RefusedTemplate: the model's chat template cannot be trained with.
        TrainerError: the model's tokenizer cannot be read.
    """
    asked = spec.dataset.audit
    if asked is not None and asked.policy == "Skip":
        report = report_of(loaded, glance(loaded), asked)
        require_usable(report)
        return report
    text = examine(loaded, spec)
    if model is None:
        reason = "no model is named whose tokenizer would tell"
    else:
        reason = f"the model has no {TOKENIZER}; this is judged when training starts"
    report = report_of(loaded, without_tokens(text, reason), asked)
    require_usable(report)
    folder = fetch_tokenizer(model) if model is not None else None
    if folder is None:
        return report
    tokenizer = load_tokenizer(folder, spec.model.uri)
    report = report_of(loaded, examine_tokens(text, tokenizer, spec), asked)
    require_usable(report)
    return report
