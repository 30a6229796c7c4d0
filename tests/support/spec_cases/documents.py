"""A spec with what must be given and nothing else, and one with every member."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
COMMIT = "0123456789abcdef0123456789abcdef01234567"

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
        "revision": COMMIT,
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
