"""Who may do what, asked of a real API server: the operator, those who write jobs, the pods."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from cluster.api import Api
from cluster.errors import ApiError
from cluster.kubectl import kubectl
from preftrain_operator.core.decide import decide
from support.chart import Json, only, rendered
from support.control_plane import ApiServer
from support.operator_process import OperatorProcess
from support.situations import SKIP, look, make_job, situate
from support.training_jobs import SPEC, TrainingJobs
from support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ANYBODYS = {
    "selfsubjectaccessreviews.authorization.k8s.io",
    "selfsubjectreviews.authentication.k8s.io",
    "selfsubjectrulesreviews.authorization.k8s.io",
    "clustertrustbundles.certificates.k8s.io",
}
"""Resources that every authenticated account may use; none of them says anything of others."""


POLICY_PLURALS = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}


def apply(server: ApiServer, objects: list[Json]) -> None:
    """Apply objects as an administrator."""
    command = [str(kubectl()), "--kubeconfig", str(server.kubeconfig), "apply", "-f", "-"]
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    subprocess.run(command, input=json.dumps(listed), text=True, check=True, capture_output=True)


def rights(server: ApiServer, user: str, namespace: str) -> dict[str, set[str]]:
    """What `kubectl auth can-i --list` says for a user: verbs by resource."""
    command = [str(kubectl()), "--kubeconfig", str(server.kubeconfig), "auth", "can-i", "--list"]
    command += ["--namespace", namespace, f"--as={user}", "--as-group=system:authenticated"]
    command += ["--as-group=system:serviceaccounts", "--no-headers"]
    done = subprocess.run(command, text=True, check=True, capture_output=True)
    found: dict[str, set[str]] = {}
    for line in done.stdout.splitlines():
        resource = line.split(" ", 1)[0]
        verbs = line.rpartition("[")[2].rstrip("] ").split()
        if resource and not resource.startswith("["):
            found.setdefault(resource, set()).update(verbs)
    return {name: verbs for name, verbs in found.items() if name not in ANYBODYS}


def installed(server: ApiServer, namespace: str, values: Json) -> str:
    """Apply the chart's rights for a release in `namespace`; the operator's user name."""
    kinds = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    objects = [each for each in rendered(values) if each["kind"] in kinds]
    for each in objects:
        if not each["kind"].startswith("Cluster"):
            each["metadata"]["namespace"] = namespace
        for subject in each.get("subjects", ()):
            subject["namespace"] = namespace
    apply(server, objects)
    return f"system:serviceaccount:{namespace}:preftrain"


OPERATORS = {
    "preferencetrainingjobs.preftrain.dev": {"get", "list", "watch"},
    "preferencetrainingjobs.preftrain.dev/status": {"patch"},
    "jobs.batch": {"get", "list", "watch", "create", "patch", "delete"},
    "pods": {"get", "list", "watch"},
    "events": {"create", "list"},
}


def test_namespaced_operator_has_these_rights_and_no_other(
    crd_installed: ApiServer, namespace: str
) -> None:
    """The whole list, for the real service account; outside its namespace there is none."""
    values = {"namespaces": [namespace], "rbac": {"aggregate": False}, "crds": {"enabled": False}}
    user = installed(crd_installed, namespace, values)
    assert rights(crd_installed, user, namespace) == OPERATORS
    assert rights(crd_installed, user, "kube-system") == {}


def test_a_second_replica_adds_one_lease(crd_installed: ApiServer, namespace: str) -> None:
    """And the right to make it."""
    values = {
        "namespaces": [namespace],
        "replicas": 2,
        "rbac": {"aggregate": False},
        "crds": {"enabled": False},
    }
    user = installed(crd_installed, namespace, values)
    added = rights(crd_installed, user, namespace)
    assert {name: verbs for name, verbs in added.items() if name not in OPERATORS} == {
        "leases.coordination.k8s.io": {"create", "get", "patch"}
    }


def test_the_operator_works_with_these_rights(
    crd_installed: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """With the token of its account it stands by for another one, leads, and starts a job."""
    values = {"namespaces": [namespace], "replicas": 2, "rbac": {"aggregate": False}}
    installed(crd_installed, namespace, values)
    kubeconfig = with_token(crd_installed, namespace, "preftrain", tmp_path / "kubeconfig")
    settings = {"LEASE_NAMESPACE": namespace, "LEASE_NAME": "preftrain"}
    first = OperatorProcess(kubeconfig, namespace, tmp_path / "first.log", settings)
    second = OperatorProcess(kubeconfig, namespace, tmp_path / "second.log", settings)
    jobs = TrainingJobs(crd_installed.api(), namespace)
    first.start()
    try:
        eventually(lambda: " leads" in first.log(), "the first one leads", 30)
        second.start()
        jobs.create("one")
        jobs.wait_for_jobs(lambda found: len(found) == 1, "the prepare Job is there")
        assert " leads" not in second.log()
        first.stop()
        eventually(lambda: " leads" in second.log(), "the second one leads", 30)
        jobs.create("two")
        jobs.wait_for_jobs(lambda found: len(found) == 2, "the second prepare Job is there")
    finally:
        first.stop()
        second.stop()
    for log in (first.log(), second.log()):
        assert "403" not in log
        assert "Traceback" not in log


def with_token(server: ApiServer, namespace: str, account: str, file: Path) -> Path:
    """A kubeconfig with a token of a service account."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    asked = {"spec": {"expirationSeconds": 3600}}
    token = server.api().call("POST", path, asked)["status"]["token"]
    config = yaml.safe_load(server.kubeconfig.read_text())
    for user in config["users"]:
        user["user"] = {"token": token}
    file.write_text(yaml.safe_dump(config))
    file.chmod(0o600)
    return file


def as_user(
    server: ApiServer, namespace: str, user: str, name: str
) -> subprocess.CompletedProcess[str]:
    """Create a job as somebody."""
    body = {
        "apiVersion": "preftrain.dev/v1alpha1",
        "kind": "PreferenceTrainingJob",
        "metadata": {"name": name, "namespace": namespace},
        "spec": SPEC,
    }
    command = [str(kubectl()), "--kubeconfig", str(server.kubeconfig), f"--as={user}"]
    command += ["create", "-f", "-"]
    return subprocess.run(
        command, input=json.dumps(body), text=True, check=False, capture_output=True
    )


def grant(user: str, namespace: str, name: str, group: str, resource: str) -> list[Json]:
    """A role that lets `user` write one resource."""
    head: Json = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    place = {"name": name, "namespace": namespace}
    verbs = ["create", "get", "patch"]
    rule = {"apiGroups": [group], "resources": [resource], "verbs": verbs}
    return [
        {**head, "kind": "Role", "metadata": place, "rules": [rule]},
        {
            **head,
            "kind": "RoleBinding",
            "metadata": place,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "User", "name": user}],
        },
    ]


def test_admission_policy_asks_for_the_right_to_create_pods(
    crd_installed: ApiServer, namespace: str
) -> None:
    """Who may write jobs but no pods is refused, by a sentence that says what is missing."""
    objects = [
        each
        for each in rendered({"namespaces": [namespace], "admissionPolicy": {"enabled": True}})
        if each["kind"].startswith("ValidatingAdmissionPolicy")
    ]
    for each in objects:
        each["metadata"]["name"] += f"-{namespace}"
        if "policyName" in each["spec"]:
            each["spec"]["policyName"] += f"-{namespace}"
    apply(crd_installed, objects)
    group = "preftrain.dev"
    for user in ("writer", "engineer"):
        apply(
            crd_installed, grant(user, namespace, f"{user}-jobs", group, "preferencetrainingjobs")
        )
    apply(crd_installed, grant("engineer", namespace, "engineer-pods", "", "pods"))
    try:
        # The policy takes a moment to come into force.
        eventually(
            lambda: (
                as_user(crd_installed, namespace, "writer", "probe").returncode != 0
                or remove(crd_installed.api(), namespace, "probe")
            ),
            "the policy is in force",
        )
        refused = as_user(crd_installed, namespace, "writer", "refused")
        assert refused.returncode != 0
        assert "may be written only by those who may create pods there" in refused.stderr
        allowed = as_user(crd_installed, namespace, "engineer", "allowed")
        assert allowed.returncode == 0, allowed.stderr
        # Controllers that only write metadata are not asked.
        note = {"metadata": {"annotations": {"note": "x"}}}
        patch_as(crd_installed, namespace, "writer", note)
        with pytest.raises(subprocess.CalledProcessError):
            patch_as(crd_installed, namespace, "writer", {"spec": {"maxRetries": 1}})
    finally:
        api = crd_installed.api()
        for each in objects:
            plural = POLICY_PLURALS[each["kind"]]
            path = f"/apis/admissionregistration.k8s.io/v1/{plural}/{each['metadata']['name']}"
            api.call("DELETE", path)


def remove(api: Api, namespace: str, name: str) -> bool:
    """Delete a job that was let through; always False."""
    api.call("DELETE", f"{jobs_path(namespace)}/{name}")
    return False


def jobs_path(namespace: str) -> str:
    """Where the jobs of a namespace are."""
    return f"/apis/preftrain.dev/v1alpha1/namespaces/{namespace}/preferencetrainingjobs"


def patch_as(server: ApiServer, namespace: str, user: str, patch: Json) -> None:
    """Patch the job `allowed` as somebody."""
    command = [str(kubectl()), "--kubeconfig", str(server.kubeconfig), f"--as={user}", "patch"]
    command += ["preferencetrainingjob", "allowed", "--namespace", namespace, "--type=merge"]
    subprocess.run([*command, "--patch", json.dumps(patch)], check=True, capture_output=True)


def template(stage: str) -> Json:
    """The pods of the operator, or of a stage of a job."""
    if stage == "operator":
        found: Json = only(rendered(), "Deployment")["spec"]["template"]
        # The account is the release's; whether it is there is asked before the profile.
        return {**found, "spec": {**found["spec"], "serviceAccountName": "default"}}
    spec = SPEC if stage == "prepare" else {**SPEC, "dataset": SKIP}
    plan = decide(situate(look(make_job(spec=spec))))
    assert plan.create is not None
    made: Json = plan.create["spec"]["template"]
    return made


@pytest.mark.parametrize("stage", ["operator", "prepare", "train"])
def test_pods_satisfy_the_restricted_profile(
    crd_installed: ApiServer, namespace: str, stage: str
) -> None:
    """A namespace that enforces Pod Security's strictest profile takes the pods of all images."""
    api = crd_installed.api()
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    api.call("PATCH", f"/api/v1/namespaces/{namespace}", label)
    made = template(stage)
    pod = {"apiVersion": "v1", "kind": "Pod", **made}
    pod["metadata"] = {**made["metadata"], "name": stage, "namespace": namespace}
    path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All"
    assert api.call("POST", path, pod)["metadata"]["name"] == stage
    pod["spec"]["containers"][0]["securityContext"] = {"allowPrivilegeEscalation": True}
    with pytest.raises(ApiError, match="PodSecurity"):
        api.call("POST", path, pod)
