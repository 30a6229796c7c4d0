"""An accepted and a refused spec for each rule over several fields."""

from __future__ import annotations

from support.spec_cases.case import Case, accepts, refuses
from support.spec_cases.documents import COMMIT

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
