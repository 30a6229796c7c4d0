"""Keys and personal data are noticed by their kind, and never shown."""

import pytest

from preftrain_trainer.audit.disclosure import DisclosureProbe
from support.audited import looked, pair

AWS = "AKIA" + "ABCDEFGHIJKLMNOP"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"use {AWS} here", "AWS access key"),
        ("-----BEGIN RSA PRIVATE KEY-----", "private key"),
        ("ghp_" + "a1" * 18, "GitHub token"),
        ("hf_" + "a" * 34, "Hugging Face token"),
        ("sk-" + "a1b2" * 8, "API key"),
        ("xoxb-" + "1234567890", "Slack token"),
        ("AIza" + "a" * 35, "Google key"),
        ("eyJ" + "a" * 10 + ".eyJ" + "b" * 10 + "." + "c" * 10, "JSON web token"),
    ],
)
def test_keys_are_noticed_and_never_shown(text: str, says: str) -> None:
    """The finding has the kind and the row, and nothing of the text."""
    found = looked(DisclosureProbe(), [pair("q", text, row=5)])

    measure = found["secrets"]
    assert (measure.count, measure.examples) == (1, ("row 5",))
    assert measure.statement is not None
    assert f"{says} in 1" in measure.statement
    assert text not in measure.statement
    assert not found["personalData"].count


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("write to jane.doe@company.org", "e-mail address"),
        ("4111 1111 1111 1111 is mine", "card number"),
        ("my number is 078-05-1120", "social security number"),
        ("call +44 20 7946 0958", "phone number"),
        ("pay to DE89 3704 0044 0532 0130 00", "IBAN"),
    ],
)
def test_personal_data_are_noticed(text: str, says: str) -> None:
    """Each by its kind."""
    found = looked(DisclosureProbe(), [pair("q", text)])

    statement = found["personalData"].statement
    assert statement is not None
    assert f"{says} in 1" in statement
    assert not found["secrets"].count


@pytest.mark.parametrize(
    "text",
    [
        "write to someone@example.com",
        "4111 1111 1111 1112 has a wrong check digit",
        "3.14159265358979323846",
        "the risk-averse task-force; a sk-eleton in the cupboard",
        "version 10.0.0-12-2024, pages 100-200",
    ],
)
def test_what_only_looks_personal(text: str) -> None:
    """Examples of the standards, numbers and words are no disclosures."""
    found = looked(DisclosureProbe(), [pair("q", text)])

    assert [measure.count for measure in found.values()] == [0, 0]
