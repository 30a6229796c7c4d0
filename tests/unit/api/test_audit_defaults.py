"""The thresholds of the audit: every one has a default, and says which."""

from preftrain_api.spec.audit import DEFAULT_THRESHOLDS, AuditSpec, AuditThresholds


def test_every_threshold_has_a_default_that_its_description_names() -> None:
    """Readers of the schema see what holds when they say nothing."""
    for name, field in type(DEFAULT_THRESHOLDS).model_fields.items():
        value = DEFAULT_THRESHOLDS.model_dump()[name]
        assert value is not None, name
        assert f"Default: {value:g}" in " ".join(str(field.description).split()), name


def test_a_threshold_of_a_job_replaces_its_default_alone() -> None:
    """Zero is a threshold, too."""
    asked = AuditSpec(thresholds=AuditThresholds(malformed=0.0, few_steps=3))

    assert asked.in_force() == DEFAULT_THRESHOLDS.model_copy(
        update={"malformed": 0.0, "few_steps": 3}
    )
    assert AuditSpec().in_force() == DEFAULT_THRESHOLDS
