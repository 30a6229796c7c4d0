"""Specs that are accepted and specs that are refused: one table for pydantic and API server."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

MINIMAL: Json = {
    "model": {"uri": "hf://acme/model"},
    "dataset": {"uri": "s3://data/pairs.jsonl"},
    "method": {"type": "DPO"},
    "output": {"uri": "s3://adapters/team-a"},
}

FULL: Json = {
    "model": {
        "uri": "hf://acme/model",
        "secretRef": {"name": "hf-token"},
        "revision": "0123456789abcdef0123456789abcdef01234567",
        "quantization": "NF4",
        "trustRemoteCode": True,
    },
    "dataset": {
        "uri": "s3://data/pairs.jsonl",
        "secretRef": {"name": "s3-keys"},
        "s3": {
            "endpoint": "http://s3.example:7070",
            "region": "eu-central-1",
            "addressing": "Path",
            "checksumMode": "WhenRequired",
        },
        "revision": "main",
        "split": "train",
        "format": "Paired",
        "columns": {
            "prompt": "question",
            "system": "persona",
            "chosen": "good",
            "rejected": "bad",
            "first": "a",
            "second": "b",
            "better": "winner",
            "answers": "candidates",
            "scores": "points",
            "ranks": "places",
            "completion": "reply",
            "label": "thumb",
        },
        "filters": [
            {
                "type": "Length",
                "length": {
                    "minCharacters": 1,
                    "maxCharacters": 4000,
                    "maxRatio": 4.5,
                    "within": "Answers",
                },
            },
            {"type": "Format", "format": {"require": ["NonEmpty", "ValidUnicode"]}},
            {"type": "Keyword", "keyword": {"words": ["lorem", "ipsum"], "within": "Chosen"}},
            {
                "type": "RegularExpression",
                "regularExpression": {"pattern": "^As an AI", "rows": "Drop", "within": "Chosen"},
            },
            {
                "type": "Script",
                "script": {"allowed": ["Latin", "Greek"], "minShare": 0.8, "within": "Prompt"},
            },
            {"type": "Language", "language": {"allowed": ["en", "de"], "within": "Answers"}},
            {"type": "Duplicates", "duplicates": {"keep": 2}},
        ],
        "evalFraction": 0.1,
        "audit": {"policy": "Warn", "thresholds": {"malformed": 0.02, "contradictions": 0}},
    },
    "method": {
        "type": "DPO",
        "dpo": {
            "beta": 0.2,
            "losses": [{"type": "Sigmoid", "weight": 1}, {"type": "SFT", "weight": 0.5}],
            "labelSmoothing": 0.1,
            "ldAlpha": 0.5,
            "discopopTau": 0.05,
        },
    },
    "output": {
        "uri": "pvc://results/team-a",
        "publishPolicy": "Always",
        "mergedWeights": False,
    },
    "lora": {"rank": 8, "alpha": 32, "dropout": 0.05, "targetModules": ["q_proj", "v_proj"]},
    "training": {
        "epochs": 1.5,
        "learningRate": 5e-6,
        "batchSize": 16,
        "microBatchSize": 4,
        "maxLength": 1024,
        "warmupRatio": 0.05,
        "scheduler": "Linear",
        "weightDecay": 0.01,
        "maxGradNorm": 0.5,
        "optimizer": "AdamW",
        "precision": "BF16",
        "precomputeReference": True,
        "seed": 7,
    },
    "guards": [
        {"name": "NonFinite", "action": "Stop"},
        {"name": "Overfit", "threshold": 0.2, "action": "Warn"},
    ],
    "evaluation": {
        "everySteps": 50,
        "earlyStopping": {"metric": "EvalLoss", "patience": 2, "minDelta": 0.01},
        "gates": [{"metric": "RewardAccuracy", "operator": "AtLeast", "threshold": 0.6}],
        "samples": 2,
    },
    "checkpoint": {"uri": "s3://checkpoints/x", "everySteps": 100, "keep": 3},
    "compute": {
        "accelerator": "GPU",
        "gpuResourceName": "nvidia.com/gpu",
        "resources": {"requests": {"cpu": 4, "memory": "16Gi"}, "limits": {"memory": "32Gi"}},
        "nodeSelector": {"example.com/pool": "gpu"},
        "tolerations": [
            {"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}
        ],
        "affinity": {"nodeAffinity": {"anything": [1, "x", {"y": True}]}},
        "priorityClassName": "high",
        "runtimeClassName": "nvidia",
        "serviceAccountName": "trainer",
        "podLabels": {"team": "a"},
        "podAnnotations": {"example.com/note": "a note"},
        "env": [{"name": "NCCL_DEBUG", "value": "INFO"}, {"name": "X", "value": ""}],
        "imagePullSecrets": [{"name": "registry"}],
        "image": "registry.example/trainer:1",
        "cache": {"claimName": "cache", "sizeLimit": "50Gi"},
        "queueName": "team-a",
    },
    "suspend": False,
    "runRevision": 1,
    "managedBy": "preftrain.dev/operator",
    "maxRetries": 5,
    "activeDeadlineSeconds": 86400,
    "startDeadlineSeconds": 3600,
    "ttlSecondsAfterFinished": 0,
    "terminationGracePeriodSeconds": 60,
}


@dataclass(frozen=True, slots=True)
class Case:
    """A minimal spec with some fields set, by path below spec.

    Attributes:
        name: what the case shows.
        fields: what is set; None is written as null.
        refused: path that a refusal names; empty when the spec is accepted.
        message: what the refusal says, where both sides say the same.
    """

    name: str
    fields: Json = field(default_factory=dict)
    refused: str = ""
    message: str = ""

    def spec(self) -> Json:
        """The spec."""
        spec = copy.deepcopy(MINIMAL)
        for path, value in self.fields.items():
            put(spec, path, value)
        return spec


def put(spec: Json, path: str, value: Any) -> None:
    """Set the field at a dotted path, making the objects on the way."""
    *parents, last = path.split(".")
    target = spec
    for parent in parents:
        target = target.setdefault(parent, {})
    target[last] = value


def accepts(name: str, **fields: Any) -> Case:
    """A case that is accepted; `__` in a keyword stands for a dot."""
    return Case(name, {path.replace("__", "."): value for path, value in fields.items()})


def refuses(name: str, refused: str, message: str = "", **fields: Any) -> Case:
    """A case that is refused."""
    written = {path.replace("__", "."): value for path, value in fields.items()}
    return Case(name, written, refused, message)


COMMIT = "0123456789abcdef0123456789abcdef01234567"
SOURCE = (
    "uri must be hf://owner/name, s3://bucket/path or pvc://claim/path; "
    "file:// works only with 'preftrain run' on a workstation"
)
SINK = (
    "uri must be s3://bucket/path or pvc://claim/path, because results are written there; "
    "file:// works only with 'preftrain run' on a workstation"
)
DOTS = "uri must not contain '.' or '..' as a path segment; write the path out"
REMOTE = (
    "trustRemoteCode needs model.revision to be a full 40-character commit hash, "
    "so that the code you trust is the code that runs"
)
EVAL = "set either dataset.evalFraction or dataset.evalSplit, not both"
FILTER = (
    "a filter needs exactly the member that its type names: length for Length, format for "
    "Format, keyword for Keyword, regularExpression for RegularExpression, script for Script, "
    "language for Language, duplicates for Duplicates"
)
LENGTHS = (
    "length.minCharacters is above length.maxCharacters, so no row would be left; swap or lower it"
)
STEPS = "set either training.epochs or training.maxSteps, not both"
BATCH = "batchSize must be a multiple of microBatchSize"
EARLY = "earlyStopping judges the evaluations on the way; set evaluation.everySteps to have some"
SAVE = "set either checkpoint.everySteps or checkpoint.everySeconds, not both"
ENV = (
    "env may not set PREFTRAIN_*, AWS_* or HF_TOKEN: those come from the operator and from "
    "the places' secretRef; only AWS_CA_BUNDLE is free"
)
ANNOTATIONS = "podAnnotations may hold 32768 characters in all; shorten them"


SMOOTHING = (
    "labelSmoothing must be less than 0.5; at 0.5 every label would be as likely wrong as right"
)


def reserved(name: str) -> str:
    """What is said about reserved prefixes in a map."""
    return f"{name} may not use the prefixes preftrain.dev/, batch.kubernetes.io/, kueue.x-k8s.io/"


def foreign(member: str) -> str:
    """What is said about a member of another method."""
    owner = member.upper()
    return f"method.{member} belongs to type {owner}; remove it, or set method.type to {owner}"


def keys(name: str) -> str:
    """What is said about malformed keys of a map."""
    return f"keys of {name} must be names like team or example.com/team"


RULE_CASES: tuple[Case, ...] = (
    accepts("hub model", model__uri="hf://acme/model-1.5_x"),
    accepts("hub model without owner", model__uri="hf://gpt2"),
    accepts("model on a volume", model__uri="pvc://claim/a/b"),
    refuses("unknown scheme", "spec.model.uri", SOURCE, model__uri="gs://bucket/x"),
    refuses("file in a cluster", "spec.model.uri", SOURCE, model__uri="file:///tmp/x"),
    refuses("hub path too deep", "spec.dataset.uri", SOURCE, dataset__uri="hf://a/b/c"),
    refuses("newline after a place", "spec.dataset.uri", SOURCE, dataset__uri="hf://a/b\n"),
    refuses("space in a place", "spec.dataset.uri", SOURCE, dataset__uri="s3://bucket/a b"),
    refuses("dots in a source", "spec.dataset.uri", DOTS, dataset__uri="s3://bucket/../x"),
    accepts("dots within a name", dataset__uri="s3://bucket/..x/y.z"),
    accepts("output in S3 with every letter", output__uri="s3://b-1.x/!_.*'()=+@~-/y/"),
    refuses("output on the hub", "spec.output.uri", SINK, output__uri="hf://a/b"),
    refuses("output in a file", "spec.output.uri", SINK, output__uri="file:///tmp/x"),
    refuses("dots in a sink", "spec.output.uri", DOTS, output__uri="s3://bucket/x/."),
    accepts("checkpoint without a place", checkpoint__keep=1),
    accepts("checkpoint with a place", checkpoint__uri="pvc://claim"),
    refuses("checkpoint on the hub", "spec.checkpoint.uri", SINK, checkpoint__uri="hf://a/b"),
    refuses("dots in a checkpoint", "spec.checkpoint.uri", DOTS, checkpoint__uri="pvc://c/./x"),
    accepts("trusted code at a commit", model__trustRemoteCode=True, model__revision=COMMIT),
    accepts("no trusted code, no revision", model__trustRemoteCode=False),
    refuses(
        "trusted code without a revision",
        "spec.model.trustRemoteCode",
        REMOTE,
        model__trustRemoteCode=True,
    ),
    refuses(
        "trusted code at a branch",
        "spec.model.trustRemoteCode",
        REMOTE,
        model__trustRemoteCode=True,
        model__revision="main",
    ),
    accepts("share held out", dataset__evalFraction=0.1),
    accepts("split held out", dataset__evalSplit="test"),
    refuses(
        "both share and split held out",
        "spec.dataset.evalSplit",
        EVAL,
        dataset__evalFraction=0.1,
        dataset__evalSplit="test",
    ),
    accepts("filter with its member", dataset__filters=[{"type": "Length", "length": {}}]),
    refuses(
        "filter without its member",
        "spec.dataset.filters[0].type",
        FILTER,
        dataset__filters=[{"type": "Length"}],
    ),
    refuses(
        "filter with two members",
        "spec.dataset.filters[0].type",
        FILTER,
        dataset__filters=[{"type": "Length", "length": {}, "keyword": {"words": ["x"]}}],
    ),
    *(
        accepts(f"filter of type {kind}", dataset__filters=[{"type": kind, member: settings}])
        for kind, member, settings in (
            ("Length", "length", {"minCharacters": 5, "maxCharacters": 5}),
            ("Format", "format", {"require": ["EndsWithPunctuation"]}),
            ("Keyword", "keyword", {"words": ["x"], "within": "Answers"}),
            ("RegularExpression", "regularExpression", {"pattern": "(?i)x|y", "rows": "Keep"}),
            ("Script", "script", {"allowed": ["Han", "Hiragana", "Katakana"]}),
            ("Language", "language", {"allowed": ["en"]}),
            ("Duplicates", "duplicates", {}),
        )
    ),
    *(
        refuses(
            f"filter of type {kind} without its member",
            "spec.dataset.filters[0].type",
            FILTER,
            dataset__filters=[{"type": kind, "length": {}}],
        )
        for kind in ("Format", "Keyword", "RegularExpression", "Script", "Language", "Duplicates")
    ),
    refuses(
        "lengths that leave nothing",
        "spec.dataset.filters[0].length.minCharacters",
        LENGTHS,
        dataset__filters=[{"type": "Length", "length": {"minCharacters": 6, "maxCharacters": 5}}],
    ),
    accepts("DPO with its member", method__dpo={"beta": 0.2}),
    accepts("ORPO with its member", method__type="ORPO", method__orpo={}),
    accepts("KTO with its member", method__type="KTO", method__kto={"beta": 1}),
    refuses(
        "ORPO with dpo", "spec.method.dpo", foreign("dpo"), method__type="ORPO", method__dpo={}
    ),
    refuses("DPO with orpo", "spec.method.orpo", foreign("orpo"), method__orpo={}),
    refuses("DPO with kto", "spec.method.kto", foreign("kto"), method__kto={}),
    refuses("two members", "spec.method.orpo", foreign("orpo"), method__dpo={}, method__orpo={}),
    accepts("no smoothing, as a whole number", method__dpo={"labelSmoothing": 0}),
    accepts("most smoothing", method__dpo={"labelSmoothing": 0.49999}),
    refuses(
        "too much smoothing",
        "spec.method.dpo.labelSmoothing",
        SMOOTHING,
        method__dpo={"labelSmoothing": 0.5},
    ),
    refuses(
        "smoothing beyond its bound",
        "spec.method.dpo.labelSmoothing",
        method__dpo={"labelSmoothing": 1},
    ),
    accepts("epochs", training__epochs=2),
    accepts("steps", training__maxSteps=100),
    refuses(
        "epochs and steps",
        "spec.training.maxSteps",
        STEPS,
        training__epochs=1,
        training__maxSteps=100,
    ),
    accepts("micro-batch within the default batch", training__microBatchSize=4),
    refuses(
        "micro-batch beside the default batch",
        "spec.training.microBatchSize",
        BATCH,
        training__microBatchSize=3,
    ),
    accepts("micro-batch", training__batchSize=12, training__microBatchSize=3),
    refuses(
        "micro-batch beside the batch",
        "spec.training.microBatchSize",
        BATCH,
        training__batchSize=12,
        training__microBatchSize=5,
    ),
    accepts("early stopping", evaluation__everySteps=5, evaluation__earlyStopping={}),
    refuses(
        "early stopping without evaluations",
        "spec.evaluation.earlyStopping",
        EARLY,
        evaluation__earlyStopping={},
    ),
    accepts("checkpoints by time", checkpoint__everySeconds=600),
    refuses(
        "checkpoints by time and steps",
        "spec.checkpoint.everySeconds",
        SAVE,
        checkpoint__everySeconds=600,
        checkpoint__everySteps=10,
    ),
    accepts("pod labels", compute__podLabels={"example.com/team": "a", "x": ""}),
    refuses(
        "reserved label",
        "spec.compute.podLabels",
        reserved("podLabels"),
        compute__podLabels={"preftrain.dev/job": "x"},
    ),
    refuses(
        "malformed label",
        "spec.compute.podLabels",
        keys("podLabels"),
        compute__podLabels={"a b": "x"},
    ),
    refuses(
        "empty label", "spec.compute.podLabels", keys("podLabels"), compute__podLabels={"": "x"}
    ),
    accepts("pod annotations", compute__podAnnotations={"example.com/note": "x\ny"}),
    refuses(
        "reserved annotation",
        "spec.compute.podAnnotations",
        reserved("podAnnotations"),
        compute__podAnnotations={"kueue.x-k8s.io/x": "x"},
    ),
    refuses(
        "malformed annotation",
        "spec.compute.podAnnotations",
        keys("podAnnotations"),
        compute__podAnnotations={"-a": "x"},
    ),
    accepts(
        "annotations at their limit",
        compute__podAnnotations={f"k{number}": "x" * 8190 for number in range(4)},
    ),
    refuses(
        "annotations beyond their limit",
        "spec.compute.podAnnotations",
        ANNOTATIONS,
        compute__podAnnotations={f"k{number}": "x" * 8190 for number in range(4)} | {"k": ""},
    ),
    accepts("node selector", compute__nodeSelector={"kubernetes.io/arch": "amd64"}),
    refuses(
        "malformed node selector",
        "spec.compute.nodeSelector",
        keys("nodeSelector"),
        compute__nodeSelector={"a/b/c": "x"},
    ),
    accepts("requests", compute__resources={"requests": {"cpu": "500m", "memory": "16Gi"}}),
    refuses(
        "malformed request",
        "spec.compute.resources.requests",
        keys("requests"),
        compute__resources={"requests": {"c pu": 1}},
    ),
    refuses(
        "malformed limit",
        "spec.compute.resources.limits",
        keys("limits"),
        compute__resources={"limits": {"cpu/": 1}},
    ),
    accepts("environment", compute__env=[{"name": "NCCL_DEBUG", "value": "INFO"}]),
    accepts(
        "private authority", compute__env=[{"name": "AWS_CA_BUNDLE", "value": "/cache/ca.pem"}]
    ),
    refuses(
        "reserved environment",
        "spec.compute.env",
        ENV,
        compute__env=[{"name": "AWS_REGION", "value": "x"}],
    ),
)
"""An accepted and a refused spec for each rule over several fields."""

BOUND_CASES: tuple[Case, ...] = (
    accepts("minimum", lora__rank=1),
    refuses("below minimum", "spec.lora.rank", lora__rank=0),
    accepts("maximum", lora__rank=1024),
    refuses("above maximum", "spec.lora.rank", lora__rank=1025),
    accepts("just above an exclusive minimum", method__dpo={"beta": 1e-300}),
    refuses("at an exclusive minimum", "spec.method.dpo.beta", method__dpo={"beta": 0}),
    accepts("just below an exclusive maximum", lora__dropout=0.999),
    refuses("at an exclusive maximum", "spec.lora.dropout", lora__dropout=1),
    accepts("shortest text", dataset__split="x"),
    refuses("empty text", "spec.dataset.split", dataset__split=""),
    accepts("longest text", dataset__split="ä" * 253),
    refuses("over-long text", "spec.dataset.split", dataset__split="ä" * 254),
    accepts("matching text", compute__queueName="team-a"),
    refuses("text that does not match", "spec.compute.queueName", compute__queueName="Team A"),
    refuses("newline at the end", "spec.compute.queueName", compute__queueName="team-a\n"),
    accepts("plain endpoint", dataset__s3={"endpoint": "https://s3.example:9000/x"}),
    refuses(
        "other than ASCII in an endpoint",
        "spec.dataset.s3.endpoint",
        dataset__s3={"endpoint": "https://s3\u00a0example"},
    ),
    refuses(
        "a password in an endpoint",
        "spec.dataset.s3.endpoint",
        dataset__s3={"endpoint": "https://user:password@s3.example"},
    ),
    accepts("whole number below a fractional bound", dataset__evalFraction=0),
    refuses(
        "whole number above a fractional bound",
        "spec.dataset.evalFraction",
        dataset__evalFraction=1,
    ),
    *(
        refuses(
            name,
            f"spec.dataset.filters[0].{field}",
            dataset__filters=[{"type": kind, field.split(".")[0]: settings}],
        )
        for name, kind, field, settings in (
            ("ratio below one", "Length", "length.maxRatio", {"maxRatio": 0.5}),
            ("no requirement", "Format", "format.require", {"require": []}),
            ("no word", "Keyword", "keyword.words", {"words": []}),
            (
                "no expression",
                "RegularExpression",
                "regularExpression.pattern",
                {"pattern": ""},
            ),
            (
                "over-long expression",
                "RegularExpression",
                "regularExpression.pattern",
                {"pattern": "x" * 513},
            ),
            ("unknown script", "Script", "script.allowed[0]", {"allowed": ["latin"]}),
            ("the same script twice", "Script", "script.allowed", {"allowed": ["Han"] * 2}),
            ("share above one", "Script", "script.minShare", {"allowed": ["Han"], "minShare": 2}),
            ("no code of a language", "Language", "language.allowed[0]", {"allowed": ["English"]}),
            ("the same language twice", "Language", "language.allowed", {"allowed": ["en"] * 2}),
            ("nothing kept", "Duplicates", "duplicates.keep", {"keep": 0}),
        )
    ),
    accepts("known choice", training__scheduler="Constant"),
    refuses("unknown choice", "spec.training.scheduler", training__scheduler="cosine"),
    accepts("fewest entries", method__dpo={"losses": [{"type": "SFT"}]}),
    refuses("no entries", "spec.method.dpo.losses", method__dpo={"losses": []}),
    accepts("most entries", method__dpo={"losses": [{"type": "SFT"}] * 8}),
    refuses(
        "too many entries", "spec.method.dpo.losses", method__dpo={"losses": [{"type": "SFT"}] * 9}
    ),
    accepts("most keys", compute__nodeSelector={f"k{number}": "" for number in range(32)}),
    refuses(
        "too many keys",
        "spec.compute.nodeSelector",
        compute__nodeSelector={f"k{number}": "" for number in range(33)},
    ),
    refuses("missing field", "spec.model.uri", model={}),
    refuses("text for a number", "spec.training.learningRate", training__learningRate="5e-6"),
    refuses("true for a number", "spec.training.learningRate", training__learningRate=True),
    refuses("number for a text", "spec.dataset.split", dataset__split=1),
    refuses("number for true", "spec.suspend", suspend=1),
    refuses("text for true", "spec.suspend", suspend="true"),
    refuses("text for an object", "spec.model", model="hf://a/b"),
    refuses("object for a list", "spec.guards", guards={}),
    accepts("whole number for a number", training__learningRate=0),
    accepts("whole float for a whole number", lora__rank=8.0),
    refuses("fraction for a whole number", "spec.lora.rank", lora__rank=8.5),
    refuses("huge whole number", "spec.training.seed", training__seed=2**70),
    accepts("quantity as text", compute__resources={"limits": {"cpu": "1.5"}}),
    accepts("quantity as number", compute__resources={"limits": {"cpu": 2}}),
    refuses(
        "quantity with a unit that is none",
        "spec.compute.resources.limits",
        compute__resources={"limits": {"memory": "16GB"}},
    ),
    refuses(
        "negative quantity",
        "spec.compute.resources.limits",
        compute__resources={"limits": {"cpu": -1}},
    ),
    refuses(
        "fraction as quantity",
        "spec.compute.resources.limits",
        compute__resources={"limits": {"cpu": 1.5}},
    ),
    refuses("the same module twice", "spec.lora.targetModules", lora__targetModules=["a", "a"]),
    refuses("the same guard twice", "spec.guards", guards=[{"name": "Overfit"}] * 2),
    refuses(
        "the same variable twice", "spec.compute.env", compute__env=[{"name": "A", "value": ""}] * 2
    ),
    refuses("unknown field", "spec.training.learnigRate", training__learnigRate=1),
    refuses("field in snake case", "spec.training.learning_rate", training__learning_rate=1),
    refuses("unknown field without a value", "spec.training.foo", training__foo=None),
    accepts("no value for an optional field", training__maxSteps=None),
    accepts("no value for a field with a default", suspend=None),
    accepts("no value for an optional object", lora=None),
    accepts("no value in a map", compute__podLabels={"a": None}),
    refuses("no value for a required field", "spec.model.uri", model__uri=None),
    refuses("no value in a list", "spec.lora.targetModules[0]", lora__targetModules=[None]),
    accepts("affinity of any shape", compute__affinity={"nodeAffinity": {"x": [None, 1.5, {}]}}),
    refuses("affinity that is no object", "spec.compute.affinity", compute__affinity=[]),
    accepts("highest revision", runRevision=9999),
    refuses("revision zero", "spec.runRevision", runRevision=0),
)
"""An accepted and a refused spec for each kind of bound on a single field."""

CASES = (*RULE_CASES, *BOUND_CASES, Case("minimal"), Case("full", copy.deepcopy(FULL)))
