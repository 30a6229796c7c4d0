"""Every piece of YAML in the documentation is one that Kubernetes, or the chart, accepts."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import yaml

from preftrain_api.group import API_VERSION, KIND, PLURAL
from preftrain_api.kubernetes_yaml import load_manifest
from preftrain_api.spec import DatasetSpec, PreferenceTrainingJobSpec
from preftrain_trainer.job_file import read_job
from support.chart import CHART, Json, rendered
from support.control_plane import ApiServer
from support.pages import ROOT, blocks, commands, name_of, pages

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

OTHERS = {
    "apiVersion": "a kind of another project",
    "data": "argocd-cm",
    "name": "a system of the benchmark",
    "scrape_configs": "scrape",
}
"""First keys of what neither is a job nor the chart's."""
MINIMAL: Json = {
    "model": {"uri": "hf://acme/model"},
    "dataset": {"uri": "s3://data/pairs.jsonl"},
    "method": {"type": "DPO"},
    "output": {"uri": "s3://adapters/team-a"},
}
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())


def shown() -> Iterator[tuple[str, Json]]:
    """Place and content of every piece of YAML."""
    for page in pages():
        for line, text in blocks(page, "yaml"):
            yield f"{name_of(page)}:{line}", load_manifest(text)
    for file in sorted((ROOT / "examples").glob("*.yaml")):
        yield name_of(file), load_manifest(file.read_text())


def members(model: Any) -> set[str]:
    """Keys that a model has in YAML."""
    return {field.alias or name for name, field in model.model_fields.items()}


def as_job(content: Json) -> Json | None:
    """A whole job that holds the piece; None when it is no piece of a job."""
    if content.get("kind") == KIND:
        return content
    if set(content) <= members(PreferenceTrainingJobSpec):
        content = {"spec": content}
    elif set(content) <= members(DatasetSpec):
        content = {"spec": {"dataset": content}}
    if set(content) != {"spec"}:
        return None
    spec = {
        key: MINIMAL.get(key, {}) | content["spec"].get(key, {})
        if isinstance(content["spec"].get(key, {}), dict)
        else content["spec"][key]
        for key in MINIMAL.keys() | content["spec"].keys()
    }
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "shown"}, "spec": spec}


def test_every_piece_is_of_a_known_sort() -> None:
    """What this test does not know it cannot check."""
    unknown = [
        place
        for place, content in shown()
        if as_job(content) is None
        and not set(content) <= VALUES.keys()
        and next(iter(content)) not in OTHERS
    ]
    assert not unknown


def test_a_real_api_server_accepts_every_job_shown(
    crd_installed: ApiServer, namespace: str
) -> None:
    """With strict field validation. A file:// place is refused there and only there: such a job is
    for a workstation, and the page says so.
    """
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}"
    refused, accepted = [], 0
    for place, content in shown():
        job = as_job(content)
        if job is None:
            continue
        metadata = {"name": job["metadata"]["name"], "namespace": namespace}
        status, text = crd_installed.api().request(
            "POST", f"{path}?dryRun=All&fieldValidation=Strict", {**job, "metadata": metadata}
        )
        if status < 400:
            accepted += 1
        elif "file://" not in json.dumps(job):
            refused.append(f"{place}: {json.loads(text)['message']}")
        else:
            causes = json.loads(text)["details"]["causes"]
            assert all(cause["field"].endswith(".uri") for cause in causes), text
    assert not refused, "\n".join(refused)
    assert accepted > 5


def test_the_chart_takes_all_values_shown() -> None:
    """Helm refuses unknown keys and wrong forms."""
    values = [
        content
        for _, content in shown()
        if as_job(content) is None and set(content) <= VALUES.keys()
    ]
    assert len(values) > 1
    for content in values:
        assert rendered(content)


def test_the_chart_takes_every_helm_command_shown() -> None:
    """With the values that it sets, and those alone."""
    shown_words = [
        shlex.split(command)
        for page in pages()
        for command in commands(page)
        if command.startswith(("helm install", "helm upgrade"))
    ]
    assert len(shown_words) > 2
    for words in shown_words:
        given = [word for pair in pairwise(words) if pair[0] == "--set" for word in pair]
        assert words[3] == "charts/preftrain"
        assert rendered({}, *given)


def test_jobs_for_a_workstation_are_read_by_the_command_line() -> None:
    """The examples parse with file:// allowed, as `preftrain run` reads them."""
    for file in sorted((ROOT / "examples").glob("*.yaml")):
        read_job(file, output=None)
