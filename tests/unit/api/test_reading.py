"""What users are told about a spec that cannot be used."""

from __future__ import annotations

from typing import Any

import pytest

from preftrain_api.errors import InvalidSpecError, NewerSchemaError
from preftrain_api.reading import read_job, read_spec
from support.spec_cases import FULL, MINIMAL, Case, refuses

SENTENCES = {
    "spec.training.learningRate: must be a number, not a string; write it without quotes": refuses(
        "", "", training__learningRate="5e-6"
    ),
    "spec.training.learningRate: must be a number, not 'fast'": refuses(
        "", "", training__learningRate="fast"
    ),
    "spec.training.learnigRate: unknown field; did you mean learningRate?": refuses(
        "", "", training__learnigRate=1
    ),
    "spec.trainin: unknown field; did you mean training?": refuses("", "", trainin={}),
    "spec.zebra: unknown field": refuses("", "", zebra=1),
    "spec.method.type: must be 'DPO', 'ORPO' or 'KTO', not 'dpo'; did you mean DPO?": refuses(
        "", "", method={"type": "dpo"}
    ),
    "spec.model.uri: is missing; add it": refuses("", "", model={}),
    "spec.suspend: must be true or false, not a string; write it without quotes": refuses(
        "", "", suspend="true"
    ),
    "spec.dataset.split: must be text, not true; put it in quotes": refuses(
        "", "", dataset__split=True
    ),
    "spec.model.revision: must be text, not the number 5; put it in quotes": refuses(
        "", "", model__revision=5
    ),
    "spec.lora.rank: must be at least 1, not 0": refuses("", "", lora__rank=0),
    "spec.lora.rank: must be a whole number, not the number 8.5": refuses("", "", lora__rank=8.5),
    "spec.training.epochs: must be greater than 0, not 0": refuses("", "", training__epochs=0),
    "spec.lora.dropout: must be less than 1, not 1": refuses("", "", lora__dropout=1),
    "spec.maxRetries: must be at most 100, not 1000": refuses("", "", maxRetries=1000),
    "spec.dataset.split: has 300 characters; at most 253 are allowed": refuses(
        "", "", dataset__split="x" * 300
    ),
    "spec.dataset.split: must not be empty": refuses("", "", dataset__split=""),
    "spec.guards: must be a list, not an object": refuses("", "", guards={}),
    "spec.guards: Stall stands there twice; remove one": refuses(
        "", "", guards=[{"name": "Stall"}] * 2
    ),
    "spec.lora.targetModules[1]: must be text, but there is no value; give one or remove the "
    "field": refuses("", "", lora__targetModules=["a", None]),
    "spec.method.dpo.losses: must have at least 1 entry; add one or remove the field": refuses(
        "", "", method__dpo={"losses": []}
    ),
    "spec.compute.queueName: must be a name of lower-case letters, digits and '-', not 'Q'": (
        refuses("", "", compute__queueName="Q")
    ),
    "spec.compute.resources.limits.memory: must be a quantity such as 500m or 16Gi, or a whole "
    "number, not '16GB'": refuses("", "", compute__resources={"limits": {"memory": "16GB"}}),
    "spec.compute.podLabels.a b: the key must be a name like team or example.com/team": refuses(
        "", "", compute__podLabels={"a b": ""}
    ),
    "spec.method.orpo: method.orpo belongs to type ORPO; remove it, or set method.type to ORPO": (
        refuses("", "", method__orpo={})
    ),
}


@pytest.mark.parametrize(("sentence", "case"), SENTENCES.items(), ids=SENTENCES)
def test_each_problem_is_one_sentence_with_the_way_out(sentence: str, case: Case) -> None:
    """The path in camelCase, what is wrong, what to do."""
    with pytest.raises((InvalidSpecError, NewerSchemaError)) as caught:
        read_spec(case.spec())
    assert caught.value.problems == (sentence,)


def test_all_problems_are_told_at_once() -> None:
    """Nobody wants to repair a manifest one error at a time."""
    with pytest.raises(InvalidSpecError) as caught:
        read_spec({**MINIMAL, "lora": {"rank": 0}, "maxRetries": -1})
    assert len(caught.value.problems) == 2


def test_unknown_fields_and_choices_are_told_apart_from_invalid_values() -> None:
    """They may come from a newer release, so the operator waits instead of failing."""
    newer = {**MINIMAL, "lora": {"rank": 0, "shape": 1}, "method": {"type": "SimPO"}}
    with pytest.raises(NewerSchemaError) as caught:
        read_spec(newer)
    assert set(caught.value.fields) == {"spec.lora.shape", "spec.method.type"}
    with pytest.raises(InvalidSpecError):
        read_spec({**MINIMAL, "lora": {"rank": 0}})


@pytest.mark.parametrize("raw", [None, [], "text", 5])
def test_a_spec_that_is_no_object_is_refused(raw: Any) -> None:
    """A manifest may hold anything."""
    with pytest.raises(InvalidSpecError, match=r"^spec: must be an object"):
        read_spec(raw)


def test_files_are_places_on_a_workstation_only() -> None:
    """The same manifest is refused in a cluster."""
    spec = {**MINIMAL, "dataset": {"uri": "file://pairs.jsonl"}}
    assert read_spec(spec, allow_file=True).dataset.uri == "file://pairs.jsonl"
    with pytest.raises(InvalidSpecError, match=r"spec\.dataset\.uri.*only with 'preftrain run'"):
        read_spec(spec)


def test_what_was_read_is_written_back() -> None:
    """A full spec survives the way through the models, defaults added."""
    spec = read_spec(FULL)
    assert read_spec(spec.plain()) == spec


HEAD = {"apiVersion": "preftrain.dev/v1alpha1", "kind": "PreferenceTrainingJob"}


def test_a_whole_manifest_is_a_job() -> None:
    """Name, namespace and spec are taken, a status is ignored."""
    manifest = {**HEAD, "metadata": {"name": "x", "namespace": "n"}, "spec": MINIMAL, "status": 1}
    job = read_job(manifest)
    assert (job.name, job.namespace, job.spec) == ("x", "n", read_spec(MINIMAL))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": "Job"}, "kind: must be PreferenceTrainingJob, not 'Job'"),
        ({"apiVersion": "v1"}, "apiVersion: must be preftrain.dev/v1alpha1, not 'v1'"),
        ({"metadata": {}}, "metadata.name: is missing"),
        ({"metadata": {"name": "x" * 47}}, "metadata.name may have at most 46"),
        ({"metadata": {"name": "a.b"}}, "metadata.name may have at most 46"),
        ({"metadata": {"name": "x", "namespace": 5}}, "metadata.namespace: must be text"),
        ({"metadata": {"name": "x", "namespace": "../up"}}, "metadata.namespace may have at most"),
        ({"model": {}}, "model: unknown field; settings stand under spec"),
        ({"spec": None}, "spec: must be an object"),
    ],
)
def test_a_manifest_of_something_else_is_refused(changes: Any, sentence: str) -> None:
    """Wrong kind, unusable name, members in the wrong place."""
    manifest = {**HEAD, "metadata": {"name": "x"}, "spec": MINIMAL, **changes}
    with pytest.raises((InvalidSpecError, NewerSchemaError)) as caught:
        read_job(manifest)
    assert caught.value.problems[0].startswith(sentence)
