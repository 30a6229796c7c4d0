"""Settings from the environment."""

import pytest

from preftrain_operator.settings import Settings, SettingsError

IMAGES = {"PREFTRAIN_PREPARE_IMAGE": "p:1", "PREFTRAIN_TRAINER_IMAGE": "t:1"}


def test_lists_numbers_and_foreign_variables() -> None:
    """Names are comma-separated; variables that Kubernetes makes for Services are passed over."""
    settings = Settings.from_environment(
        {
            **IMAGES,
            "PREFTRAIN_NAMESPACES": "a, b",
            "PREFTRAIN_WORKERS": "3",
            "PREFTRAIN_PROGRESS_VIA_PROXY": "true",
            "PREFTRAIN_ALLOWED_IMAGES": "",
            "PREFTRAIN_OPERATOR_SERVICE_HOST": "10.0.0.1",
        }
    )
    assert settings.namespaces == ("a", "b")
    assert settings.workers == 3
    assert settings.progress_via_proxy is True
    assert settings.allowed_images == ()
    assert settings.installation.trainer_image == "t:1"


def test_every_fault_is_named_by_its_variable() -> None:
    """All at once, so that one restart is enough."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({"PREFTRAIN_PREPARE_IMAGE": "p:1", "PREFTRAIN_WORKERS": "many"})
    assert "PREFTRAIN_TRAINER_IMAGE" in str(caught.value)
    assert "PREFTRAIN_WORKERS" in str(caught.value)
