"""The spec of a PreferenceTrainingJob, one module a member."""

from preftrain_api.spec.compute import ComputeSpec
from preftrain_api.spec.dataset import DatasetSpec
from preftrain_api.spec.job import FREE_FIELDS, FROZEN_FIELDS, PreferenceTrainingJobSpec
from preftrain_api.spec.method import DpoLoss, DpoSpec, KtoSpec, MethodSpec, OrpoSpec
from preftrain_api.spec.model import LoraSpec, ModelSpec
from preftrain_api.spec.output import OutputSpec
from preftrain_api.spec.quality import (
    CheckpointSpec,
    EarlyStopping,
    EvaluationSpec,
    Gate,
    GuardRule,
)
from preftrain_api.spec.training import TrainingSpec

__all__ = [
    "FREE_FIELDS",
    "FROZEN_FIELDS",
    "CheckpointSpec",
    "ComputeSpec",
    "DatasetSpec",
    "DpoLoss",
    "DpoSpec",
    "EarlyStopping",
    "EvaluationSpec",
    "Gate",
    "GuardRule",
    "KtoSpec",
    "LoraSpec",
    "MethodSpec",
    "ModelSpec",
    "OrpoSpec",
    "OutputSpec",
    "PreferenceTrainingJobSpec",
    "TrainingSpec",
]
