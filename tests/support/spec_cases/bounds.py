"""An accepted and a refused spec for each kind of bound on a single field."""

from __future__ import annotations

from support.spec_cases.case import Case, accepts, refuses

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
