"""Filters: which rows each type leaves out, and what is said about those that cannot be."""

from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preftrain_api.spec.filters import FilterRule, Script
from preftrain_trainer.audit.conduct import audit
from preftrain_trainer.data.filters.registry import rules_of
from preftrain_trainer.data.filters.repeats import normalized
from preftrain_trainer.data.pairs import Example, LabelledAnswer, Message, PreferencePair
from preftrain_trainer.errors import BadSpec
from support.trainer_cases import load_data, run_spec, write_rows


def drops(rule: dict[str, Any], *examples: Example) -> list[bool]:
    (name,) = rule
    member = name[0].lower() + name[1:]
    (drop,) = rules_of([FilterRule.parse({"type": name, member: rule[name]})])
    return drop(examples)


def pair(prompt: str = "Why?", chosen: str = "So.", rejected: str = "No.") -> PreferencePair:
    return PreferencePair(1, prompt, chosen, rejected)


def talk(*prompt: str) -> PreferencePair:
    turns = tuple(
        Message(role=role, content=text)
        for role, text in zip(("user", "assistant", "user"), prompt, strict=False)
    )
    return PreferencePair(1, turns, turns[:1], turns[-1:])


ENGLISH = "This is a sentence about the weather in the north of England, where it rains a lot."
GERMAN = "Das ist ein Satz über das Wetter im Norden von Deutschland, wo es oft regnet."
ENDS = ("“Yes.” ", "そうです。", "```py\nx\n```", "**Done!**", "(no.)", "| a |", "Ha 😀", "كيف؟")
GOOD = LabelledAnswer(1, "q", "so", True)
BAD = LabelledAnswer(1, "q", "so", False)


@pytest.mark.parametrize(
    ("rule", "example", "dropped"),
    [
        ({"Length": {"minCharacters": 4}}, pair(), True),
        ({"Length": {"minCharacters": 3}}, pair(), False),
        ({"Length": {"maxCharacters": 3}}, pair(), True),
        ({"Length": {"maxCharacters": 4}}, pair(), False),
        ({"Length": {"maxCharacters": 3, "within": "Answers"}}, pair(), False),
        ({"Length": {"maxCharacters": 3, "within": "Rejected"}}, pair(rejected="None"), True),
        ({"Length": {"maxRatio": 2}}, pair(chosen="abcdef"), False),
        ({"Length": {"maxRatio": 2}}, pair(chosen="abcdefg"), True),
        ({"Length": {"maxRatio": 2}}, LabelledAnswer(1, "q", "a" * 99, True), False),
        ({"Length": {"maxCharacters": 5, "within": "Prompt"}}, talk("abc", "abc"), True),
        ({"Format": {"require": ["NonEmpty"]}}, talk("a", " ", "b"), True),
        ({"Format": {"require": ["NonEmpty"]}}, pair(), False),
        ({"Format": {"require": ["ValidUnicode"]}}, pair(chosen="caf\ufffd"), True),
        ({"Format": {"require": ["ValidUnicode"]}}, pair(chosen="a\x00b"), True),
        ({"Format": {"require": ["ValidUnicode"]}}, pair(chosen="café\t\r\n👍🏽"), False),
        ({"Format": {"require": ["EndsWithPunctuation"]}}, pair(chosen="This is"), True),
        ({"Format": {"require": ["EndsWithPunctuation"]}}, pair(prompt="This is"), False),
        ({"Format": {"require": ["NonEmpty", "EndsWithPunctuation"]}}, pair(rejected="a,"), True),
        *(
            ({"Format": {"require": ["EndsWithPunctuation"]}}, pair(chosen=text), False)
            for text in ENDS
        ),
        ({"Keyword": {"words": ["ass"]}}, pair(chosen="An ASS."), True),
        ({"Keyword": {"words": ["ass"]}}, pair(chosen="A class, passed."), False),
        ({"Keyword": {"words": ["x", "as an ai"]}}, pair(chosen="Well, As an AI, no."), True),
        ({"Keyword": {"words": ["c++"]}}, pair(prompt="C++?"), True),
        ({"Keyword": {"words": ["a.c"]}}, pair(prompt="abc"), False),
        ({"Keyword": {"words": ["ÄPFEL"]}}, pair(prompt="äpfel"), True),
        ({"Keyword": {"words": ["天气"]}}, pair(prompt="今天天气很好"), True),
        ({"Keyword": {"words": ["so"], "within": "Rejected"}}, pair(), False),
        ({"Keyword": {"words": ["so"], "within": "Chosen"}}, pair(), True),
        ({"Keyword": {"words": ["so"], "within": "Chosen"}}, GOOD, True),
        ({"Keyword": {"words": ["so"], "within": "Chosen"}}, BAD, False),
        ({"Keyword": {"words": ["b"], "within": "Prompt"}}, talk("a", "b", "c"), True),
        ({"RegularExpression": {"pattern": "^S"}}, pair(), True),
        ({"RegularExpression": {"pattern": "^s"}}, pair(), False),
        ({"RegularExpression": {"pattern": "^s", "rows": "Keep"}}, pair(), True),
        ({"RegularExpression": {"pattern": r"\p{Greek}", "within": "Prompt"}}, pair("π"), True),
        ({"Script": {"allowed": ["Latin"]}}, pair(prompt="Что это?"), True),
        ({"Script": {"allowed": ["Latin", "Cyrillic"]}}, pair(prompt="Что это?"), False),
        ({"Script": {"allowed": ["Latin"], "minShare": 0.5}}, pair(prompt="ab яж"), False),
        ({"Script": {"allowed": ["Latin"], "minShare": 0.51}}, pair(prompt="ab яж"), True),
        ({"Script": {"allowed": ["Latin"], "within": "Answers"}}, pair(prompt="Что?"), False),
        ({"Script": {"allowed": ["Han"]}}, pair("1 + 1?", "2.", "3."), False),
        ({"Language": {"allowed": ["en"]}}, pair(ENGLISH, ENGLISH, GERMAN), True),
        ({"Language": {"allowed": ["en", "de"]}}, pair(ENGLISH, ENGLISH, GERMAN), False),
        ({"Language": {"allowed": ["en"], "within": "Prompt"}}, pair(ENGLISH, GERMAN), False),
        ({"Language": {"allowed": ["en"]}}, pair(ENGLISH, "Ja, das ist so.", "Nein!"), False),
    ],
    ids=str,
)
def test_each_type_leaves_out_what_it_says(
    rule: dict[str, Any], example: Example, dropped: bool
) -> None:
    """One example, one rule."""
    assert drops(rule, example) == [dropped]


def test_near_duplicates_of_a_prompt_are_left_out_after_the_first() -> None:
    """Case, punctuation, white space and compatible forms make no difference; words do."""
    prompts = ["What is  it?", "what is it", "What was it?", "¿WHAT IS IT!", "Ｗｈａｔ is it"]
    examples = [pair(prompt) for prompt in prompts]

    assert drops({"Duplicates": {}}, *examples) == [False, True, False, True, True]
    assert drops({"Duplicates": {"keep": 3}}, *examples) == [False] * 4 + [True]


def test_prompts_without_words_are_not_all_alike() -> None:
    """Two formulas of signs alone differ; vowel signs count as letters."""
    assert normalized("+ -") != normalized("- -")
    assert normalized("कि") != normalized("का")


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b so", "c"]), min_size=1, max_size=8))
def test_a_rule_treats_each_example_as_if_alone(words: list[str]) -> None:
    """Rules see many examples in one call, and answer for each in order."""
    examples = [pair(word) for word in words]
    for rule in (
        {"RegularExpression": {"pattern": "a|b", "rows": "Keep", "within": "Prompt"}},
        {"Script": {"allowed": ["Greek"], "within": "Prompt"}},
    ):
        assert drops(rule, *examples) == [drops(rule, one)[0] for one in examples]


def test_an_expression_takes_time_in_proportion_to_the_text() -> None:
    """What sends backtracking matchers into years of work ends at once."""
    example = pair(chosen="a" * 100_000 + "!")

    assert drops({"RegularExpression": {"pattern": "^(a|a)*(a|a)*(a|a)*$"}}, example) == [False]


def test_every_script_of_the_schema_is_known() -> None:
    """Their names are those of the Unicode standard."""
    assert drops({"Script": {"allowed": list(get_args(Script))}}, pair("aяπ漢かカ한")) == [False]


def test_many_long_words_make_one_expression() -> None:
    """The bounds of the schema are within what the matcher takes."""
    words = [f"{'ä' * 120}{n:08d}"[-128:] for n in range(256)]

    assert drops({"Keyword": {"words": words}}, pair(chosen=words[255].upper())) == [True]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (
            {"type": "RegularExpression", "regularExpression": {"pattern": "a(?=b)"}},
            ["dataset.filters[1].regularExpression.pattern", "RE2", "lookaround"],
        ),
        (
            {"type": "Language", "language": {"allowed": ["qq"]}},
            ["dataset.filters[1].language.allowed", "qq is not among", "de, "],
        ),
    ],
)
def test_a_rule_that_cannot_be_is_refused_before_reading(
    tmp_path: Path, rule: dict[str, Any], says: list[str]
) -> None:
    """The refusal names the rule; no file is looked at."""
    filters = [{"type": "Length", "length": {}}, rule]
    run = run_spec(tmp_path, dataset={"uri": "file://nowhere", "filters": filters})

    with pytest.raises(BadSpec) as refusal:
        load_data(run, tmp_path)

    for part in says:
        assert part in str(refusal.value)


def test_each_rule_has_its_own_count(tmp_path: Path) -> None:
    """The first rule that applies is the one that counts, with places as examples."""
    rows = [{"prompt": f"Question {n}?", "chosen": "x" * n, "rejected": "y"} for n in range(1, 601)]
    write_rows(tmp_path / "data.jsonl", rows)
    filters = [
        {"type": "Length", "length": {"maxCharacters": 500}},
        {"type": "Keyword", "keyword": {"words": ["7", "y"], "within": "Prompt"}},
        {"type": "Length", "length": {"maxCharacters": 300}},
        {"type": "Duplicates", "duplicates": {}},
    ]
    run = run_spec(
        tmp_path, dataset={"uri": "file://data.jsonl", "filters": filters, "evalFraction": 0}
    )

    loaded = load_data(run, tmp_path)

    assert [count.rows for count in loaded.tally.filtered] == [100, 1, 200, 0]
    assert loaded.tally.filtered[2].examples[0] == "data.jsonl line 301"
    assert loaded.tally.dropped["filtered"].rows == 301
    assert loaded.tally.dropped["filtered"].examples[0] == "data.jsonl line 7: dataset.filters[1]"
    assert len(loaded.train) == 299


def test_the_report_says_what_each_rule_left_out(tmp_path: Path) -> None:
    """In words for people, in numbers for programs."""
    rows = [{"prompt": f"Question {n}?", "chosen": "x" * n, "rejected": "y"} for n in range(1, 201)]
    write_rows(tmp_path / "data.jsonl", rows)
    filters = [
        {"type": "Length", "length": {"maxCharacters": 150}},
        {"type": "Keyword", "keyword": {"words": ["elephant"]}},
    ]
    run = run_spec(tmp_path, dataset={"uri": "file://data.jsonl", "filters": filters})

    report = audit(load_data(run, tmp_path), run.spec, None)

    assert report.filtered == {"filters[0] Length": 50, "filters[1] Keyword": 0}
    (found,) = (check for check in report.checks if check.name == "filtered")
    assert found.message == (
        "50 of 200 rows (25.0%) were left out by dataset.filters: filters[0] Length 50, "
        "filters[1] Keyword 0"
    )
