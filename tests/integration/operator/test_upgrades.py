"""An operator that is older than the CRD."""

from __future__ import annotations

import pytest
import yaml

from support.control_plane import CRD_FILE, install_crd
from support.operator_world import World
from support.training_jobs import condition_of, make_spec
from support.waiting import eventually

pytestmark = pytest.mark.integration


@pytest.mark.fault(30)
@pytest.mark.case(20)
def test_a_newer_schema_is_left_alone(idle_world: World) -> None:
    """A field that a newer CRD has and this operator does not know starts nothing."""
    definition = yaml.safe_load(CRD_FILE.read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"]["sparkle"] = {"type": "boolean"}
    api = idle_world.server.api()
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    name = definition["metadata"]["name"]
    query = "?fieldManager=preftrain-tests&force=true"
    api.call("PATCH", f"{path}/{name}{query}", definition, patch_type="apply-patch")
    try:

        def kept() -> bool:
            job = idle_world.jobs.create("probe", make_spec(sparkle=True, suspend=True))
            found = "sparkle" in job["spec"]
            api.call(
                "DELETE",
                f"/apis/preftrain.dev/v1alpha1/namespaces/{idle_world.namespace}"
                "/preferencetrainingjobs/probe",
            )
            return found

        eventually(kept, "the newer schema is served")
        # A watch that was open before the CRD changed would still leave the field out.
        idle_world.operator.start()
        idle_world.jobs.create("run", make_spec(sparkle=True))
        status = idle_world.jobs.wait("run", "Accepted", "Unknown", "NewerSchema")
        assert "spec.sparkle" in condition_of(status, "Accepted")["message"]
        assert condition_of(status, "Stalled")["status"] == "True"
        assert idle_world.jobs.jobs() == []
    finally:
        install_crd(api)
