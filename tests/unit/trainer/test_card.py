"""The model card: what hubs read from it, what people read, and nothing that breaks it."""

from dataclasses import replace

import pytest
import yaml

from preftrain_api.manifest import AttemptRecord
from preftrain_api.report import Finding, GateVerdict, Pins
from preftrain_api.resolve import resolve
from preftrain_api.run_spec import RunIdentity, RunSpec
from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_trainer.publishing.card import VLLM_RANKS, card, vllm_rank
from support.report_cases import HOSTILE, SPEC, evidence

IDENTITY = RunIdentity(namespace="team-a", name="support-dpo", uid="u-1", revision=3, attempt=2)


def card_of(**members: object) -> str:
    """The card of a run with other members of the spec."""
    spec = resolve(PreferenceTrainingJobSpec.parse({**SPEC, **members}))
    return card(evidence(run=RunSpec(identity=IDENTITY, stage="Train", spec=spec)))


def test_the_front_matter_is_what_hubs_read() -> None:
    """Base model and data set by id, and the library that loads the adapter."""
    text = card_of(dataset={"uri": "hf://acme/support-pairs"})
    start, front, body = text.split("---\n", 2)
    assert start == ""
    assert yaml.safe_load(front) == {
        "base_model": "acme/Kestrel-7B-Instruct",
        "base_model_relation": "adapter",
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["lora", "preference-alignment", "dpo", "preftrain"],
        "datasets": ["acme/support-pairs"],
    }
    assert body.startswith("\n# support-dpo\n")


def test_places_that_are_no_hub_are_not_named_as_ids() -> None:
    """A hub would look for them; people still learn where the data came from."""
    text = card_of(model={"uri": "s3://models/kestrel", "quantization": "None"})
    front = yaml.safe_load(text.split("---\n", 2)[1])
    assert front.keys() == {"library_name", "pipeline_tag", "tags"}
    assert "| Base model | `s3://models/kestrel` |" in text
    assert "s3://preferences/support-answers.jsonl.gz" in text
    assert 'from_pretrained(\n    "path/to/base", dtype="auto"\n)' in text


def test_orpo_does_not_claim_a_comparison() -> None:
    """Its rewards have no reference, so its accuracy says nothing about what was learnt."""
    assert "ORPO rewards answers that are likely" in card_of(method={"type": "ORPO"})
    assert "against the base model:" not in card_of(method={"type": "ORPO"})


def test_the_evidence_stands_in_it() -> None:
    """Digests, interval, gates, guards, settings and versions."""
    text = card(evidence())
    for expected in (
        "4d6c2fcb" * 5,
        "sha256:" + "3f" * 32,
        "0.6957 (95 % interval 0.6064 to 0.7722, Wilson)",
        "| RewardAccuracyLowerBound | 0.6064 | GreaterThan 0.5 | passed |",
        "- Displacement (Warning, step 188): chosen answers have become 2.6 times",
        "| Learning rate | 5e-06 |",
        "| Losses | Sigmoid 1 |",
        "torch 2.13.0",
    ):
        assert expected in text, expected


def test_the_commands_load_what_was_trained() -> None:
    """The pinned commit, in 4 bits where it was trained in 4 bits, with a rank vLLM accepts."""
    text = card_of(lora={"rank": 24})
    assert f'revision="{"4d6c2fcb" * 5}", quantization_config=quantization' in text
    assert "bnb_4bit_use_double_quant=True" in text
    assert (
        f"$ vllm serve acme/Kestrel-7B-Instruct --revision {'4d6c2fcb' * 5} "
        "--quantization bitsandbytes \\\n    --enable-lora --max-lora-rank 32 \\\n"
        "    --lora-modules support-dpo=path/to/adapter" in text
    )


@pytest.mark.parametrize(
    ("rank", "flag"), [(1, 1), (2, 8), (8, 8), (9, 16), (64, 64), (257, 320), (512, 512)]
)
def test_the_flag_for_vllm_is_the_next_rank_that_it_has(rank: int, flag: int) -> None:
    """It refuses values in between, and adapters above its flag."""
    assert vllm_rank(rank) == flag
    assert flag in VLLM_RANKS


def test_an_adapter_that_vllm_cannot_load_says_nothing_of_it() -> None:
    """A command that fails helps nobody."""
    assert vllm_rank(513) is None
    assert "vLLM" not in card_of(lora={"rank": 1024})


def test_a_withheld_adapter_says_so_on_top() -> None:
    """Whoever finds the folder must not take it for a good one."""
    failed = GateVerdict(
        metric="EvalLoss", operator="LessThan", threshold=0.5, value=0.541, passed=False
    )
    text = card(evidence(withheld=True, gates=(failed,)))
    assert "**Withheld: it failed a gate." in text
    assert "| EvalLoss | 0.541 | LessThan 0.5 | failed |" in text


def test_a_run_without_evaluation_claims_nothing() -> None:
    """Neither figures nor gates."""
    text = card(evidence(evaluation=None, gates=(), findings=()))
    assert "No pairs were held out" in text
    assert "| gate |" not in text
    assert "None spoke up in 240 steps." in text


def test_equal_runs_have_equal_cards() -> None:
    """Whenever they ran, however long they took, whatever pod it was."""
    one = evidence()
    record = AttemptRecord(number=2, pod_uid="pod-2", start_step=0, end_step=240, seconds=9.0)
    later = replace(one, created=one.created.replace(year=2027), attempts=(record,))
    assert card(one) == card(later)


def test_hostile_text_stays_in_its_line() -> None:
    """Messages may quote rows; they can neither open a section nor become HTML."""
    finding = Finding(name="x", severity="Info", message=f"{HOSTILE}\n# Owned\n| a | b |")
    text = card(evidence(findings=(finding,), pins=Pins()))
    assert "\n# Owned" not in text
    assert "\\<script\\>" in text
    assert "<script>" not in text.replace("\\<script\\>", "")
