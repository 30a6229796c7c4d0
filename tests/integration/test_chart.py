"""The chart: what it asks of a cluster, what it refuses, and that a real API server takes it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from cluster.kubectl import kubectl
from preftrain_operator.settings import Settings
from support.chart import (
    CHART,
    Json,
    Refused,
    environment,
    helm,
    only,
    operator_container,
    rendered,
)
from support.control_plane import ApiServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

DIGEST = "sha256:" + "0" * 64
EVERYTHING: Json = {
    "images": {
        "operator": {"repository": "registry.test/op", "digest": DIGEST},
        "prepare": {"repository": "registry.test/prepare", "tag": "1"},
        "trainer": {"repository": "registry.test/trainer", "tag": "1"},
        "pullPolicy": "Never",
        "pullSecrets": ["pull"],
        "allowed": ["registry.test/team/*", "registry.test/other:2"],
    },
    "operator": {
        "workers": 3,
        "connections": 5,
        "progressSeconds": 7.5,
        "firstResyncSeconds": 11,
        "resyncSeconds": 13,
        "logFormat": "text",
        "logLevel": "DEBUG",
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.test:3128"}],
    },
    "replicas": 2,
    "admissionPolicy": {"enabled": True},
    "nodeSelector": {"role": "system"},
    "tolerations": [{"key": "system", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "priorityClassName": "system-cluster-critical",
    "podLabels": {"team": "ml"},
    "podAnnotations": {"note": "x"},
    "serviceAccount": {"name": "preftrain-sa", "annotations": {"role": "arn"}},
    "metrics": {
        "serviceMonitor": {"enabled": True},
        "podMonitor": {"enabled": True},
        "prometheusRule": {"enabled": True, "labels": {"prometheus": "platform"}},
        "dashboard": {"enabled": True},
    },
}
NAMESPACED: Json = {
    "namespaces": ["team-a", "team-b"],
    "rbac": {"aggregate": False},
    "crds": {"enabled": False},
}
PROMETHEUS_KINDS = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
CLUSTER_SCOPED = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}


def roles(objects: list[Json]) -> list[Json]:
    """Roles of both kinds."""
    return [each for each in objects if each["kind"] in ("Role", "ClusterRole")]


@pytest.mark.parametrize("values", [{}, EVERYTHING, NAMESPACED], ids=["default", "all", "some"])
def test_chart_passes_helms_own_checks(values: Json) -> None:
    """Helm finds nothing to complain about, with strict rules."""
    helm("lint", "--strict", str(CHART), values=values)


@pytest.mark.parametrize("values", [{}, EVERYTHING, NAMESPACED], ids=["default", "all", "some"])
def test_operator_pod_is_restricted(values: Json) -> None:
    """The pod satisfies the restricted profile, and its root file system is read-only."""
    objects = rendered(values)
    pod = only(objects, "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert operator_container(objects)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"hostNetwork", "hostPID", "hostIPC"}.isdisjoint(pod)
    assert [set(volume) - {"name"} for volume in pod["volumes"]] == [{"emptyDir"}]


def test_one_operator_at_a_time() -> None:
    """An upgrade ends the old operator before it starts the new one; no Lease is needed."""
    objects = rendered()
    spec = only(objects, "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert "PREFTRAIN_LEASE_NAMESPACE" not in environment(objects)
    assert not [each for each in objects if each["kind"] in ("Role", "PodDisruptionBudget")]


def test_two_operators_share_a_lease() -> None:
    """Its name and namespace reach them, with the right to it and to no other; an upgrade and
    a drained node leave one of them at work.
    """
    objects = rendered({"replicas": 2})
    settings = Settings.from_environment(environment(objects))
    assert (settings.lease_namespace, settings.lease_name) == ("preftrain-system", "preftrain")
    role = only(objects, "Role")
    assert role["metadata"]["namespace"] == "preftrain-system"
    assert [(rule.get("resourceNames"), rule["verbs"]) for rule in role["rules"]] == [
        (None, ["create"]),
        (["preftrain"], ["get", "patch"]),
    ]
    assert only(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert only(objects, "Deployment")["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
    }


@pytest.mark.parametrize("values", [{}, EVERYTHING, NAMESPACED], ids=["default", "all", "some"])
def test_rights_are_least(values: Json) -> None:
    """No role has a wildcard, touches Secrets, or lets the operator write a job's spec."""
    for role in roles(rendered(values)):
        for rule in role["rules"]:
            words = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert "*" not in words, role["metadata"]["name"]
            assert "secrets" not in rule["resources"]
            is_operators = not role["metadata"]["name"].endswith(("-editor", "-viewer"))
            if is_operators and "preferencetrainingjobs" in rule["resources"]:
                assert rule["verbs"] == ["get", "list", "watch"]


def test_namespaced_installation_has_no_right_on_the_cluster() -> None:
    """With namespaces named, nothing cluster-wide is left but what other values ask for."""
    objects = rendered(NAMESPACED)
    assert CLUSTER_SCOPED.isdisjoint(each["kind"] for each in objects)
    bound = [each["metadata"]["namespace"] for each in objects if each["kind"] == "RoleBinding"]
    assert bound == ["team-a", "team-b"]
    assert environment(objects)["PREFTRAIN_NAMESPACES"] == "team-a,team-b"


def test_cluster_wide_installation_binds_the_service_account() -> None:
    """The operator's account holds the operator's role."""
    objects = rendered()
    binding = only(objects, "ClusterRoleBinding")
    account = only(objects, "ServiceAccount")["metadata"]
    pod = only(objects, "Deployment")["spec"]["template"]["spec"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account["name"], "namespace": "preftrain-system"}
    ]
    assert pod["serviceAccountName"] == account["name"]


@pytest.mark.parametrize("values", [{}, EVERYTHING, NAMESPACED], ids=["default", "all", "some"])
def test_operator_understands_the_environment(values: Json) -> None:
    """Every variable of ours is a setting, and the operator takes its value."""
    given = environment(rendered(values))
    ours = {name for name in given if name.startswith("PREFTRAIN_")}
    assert ours <= {f"PREFTRAIN_{field.upper()}" for field in Settings.model_fields}
    Settings.from_environment(given)


def test_every_value_reaches_its_setting() -> None:
    """What an administrator sets is what the operator reads."""
    settings = Settings.from_environment(
        environment(rendered({**EVERYTHING, "namespaces": ["team-a"]}))
    )
    assert settings == Settings(
        prepare_image="registry.test/prepare:1",
        trainer_image="registry.test/trainer:1",
        allowed_images=("registry.test/team/*", "registry.test/other:2"),
        image_pull_policy="Never",
        namespaces=("team-a",),
        workers=3,
        connections=5,
        progress_seconds=7.5,
        first_resync_seconds=11,
        resync_seconds=13,
        log_format="text",
        log_level="DEBUG",
        lease_namespace="preftrain-system",
        lease_name="preftrain",
    )


def test_every_setting_can_be_set() -> None:
    """Only what makes no sense inside a cluster has no value in the chart."""
    given = environment(rendered({**EVERYTHING, "namespaces": ["team-a"]}))
    missing = {
        field for field in Settings.model_fields if f"PREFTRAIN_{field.upper()}" not in given
    }
    assert missing == {"progress_via_proxy"}


def test_probes_and_metrics_point_at_the_settings_ports() -> None:
    """Ports of the container are those that the operator is told to open."""
    objects = rendered()
    settings = Settings.from_environment(environment(objects))
    ports = {port["name"]: port["containerPort"] for port in operator_container(objects)["ports"]}
    assert ports == {"metrics": settings.metrics_port, "probes": settings.probe_port}
    assert only(objects, "Service")["spec"]["ports"][0]["targetPort"] == "metrics"


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({"repository": "a/b"}, "a/b:0.1.0"),
        ({"repository": "a/b", "tag": "2"}, "a/b:2"),
        ({"repository": "a/b", "tag": "2", "digest": DIGEST}, f"a/b@{DIGEST}"),
    ],
)
def test_images_by_tag_or_digest(image: Json, reference: str) -> None:
    """A digest wins over a tag, a tag over the chart's version."""
    assert operator_container(rendered({"images": {"operator": image}}))["image"] == reference


def test_chart_carries_the_generated_kind() -> None:
    """The kind in the chart is the kind in crds/, kept when the release is uninstalled."""
    installed = only(rendered(), "CustomResourceDefinition")
    generated = (CHART / "files" / "preferencetrainingjobs.yaml").read_bytes()
    assert generated == (CHART.parents[1] / "crds" / "preferencetrainingjobs.yaml").read_bytes()
    assert installed["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert installed["metadata"]["name"] == "preferencetrainingjobs.preftrain.dev"


def test_kind_is_deleted_with_the_release_only_on_request() -> None:
    """crds.keep: false drops the annotation that protects the jobs."""
    installed = only(rendered({"crds": {"keep": False}}), "CustomResourceDefinition")
    assert "annotations" not in installed["metadata"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"oprator": {}}, "oprator"),
        ({"operator": {"wokers": 3}}, "wokers"),
        ({"operator": {"workers": 0}}, "/operator/workers"),
        ({"operator": {"logLevel": "debug"}}, "/operator/logLevel"),
        ({"operator": {"resyncSeconds": "5m"}}, "/operator/resyncSeconds"),
        ({"images": {"operator": {"digest": "sha256:1"}}}, "/images/operator/digest"),
        ({"images": {"trainer": {"tag": "a b"}}}, "/images/trainer/tag"),
        ({"images": {"pullPolicy": "Sometimes"}}, "/images/pullPolicy"),
        ({"images": {"allowed": ["a,b"]}}, "/images/allowed/0"),
        ({"namespaces": "team-a"}, "/namespaces"),
        ({"namespaces": ["Team"]}, "/namespaces/0"),
        ({"crds": {"keep": "yes"}}, "/crds/keep"),
        ({"metrics": {"podMonitor": {"interval": "15"}}}, "/metrics/podMonitor/interval"),
        ({"metrics": {"prometheusRule": {"interval": "1m"}}}, "interval"),
        ({"replicaCount": 2}, "replicaCount"),
        ({"replicas": 0}, "/replicas"),
        ({"admissionPolicy": True}, "/admissionPolicy"),
    ],
)
def test_wrong_values_are_refused_by_name(values: Json, named: str) -> None:
    """A typing error in a values file never passes in silence; the message names the field."""
    with pytest.raises(Refused, match=named):
        rendered(values)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"serviceAccount": {"create": False}},
            "serviceAccount.name is needed when serviceAccount.create is false",
        ),
        (
            {"metrics": {"service": False, "serviceMonitor": {"enabled": True}}},
            "metrics.serviceMonitor.enabled needs metrics.service: true",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused(values: Json, sentence: str) -> None:
    """The message says what would make the values fit."""
    with pytest.raises(Refused, match=sentence):
        rendered(values)


def test_monitors_are_optional() -> None:
    """Without the Prometheus operator's kinds the chart installs; with them it asks for all."""
    assert PROMETHEUS_KINDS.isdisjoint(each["kind"] for each in rendered())
    assert {each["kind"] for each in rendered(EVERYTHING)} >= PROMETHEUS_KINDS


def test_release_name_does_not_collide() -> None:
    """Two releases have no object in common but the kind."""

    def names(release: str) -> set[tuple[str, str]]:
        text = helm("template", release, str(CHART), "--show-only", "templates/rbac.yaml")
        return {tuple(line.split(": ")) for line in text.splitlines() if "  name: " in line}  # type: ignore[misc]

    assert names("one").isdisjoint(names("two"))


def apply_dry(server: ApiServer, objects: list[Json]) -> subprocess.CompletedProcess[str]:
    """Apply objects on the server's side, all checks made, nothing stored."""
    command = [str(kubectl()), "--kubeconfig", str(server.kubeconfig), "apply", "--dry-run=server"]
    command += ["--server-side", "--validate=strict", "-f", "-"]
    listed: dict[str, Any] = {"apiVersion": "v1", "kind": "List", "items": objects}
    return subprocess.run(
        command, input=json.dumps(listed), capture_output=True, text=True, check=False
    )


LONGEST: Json = {**EVERYTHING, "fullnameOverride": "a" * 63}


@pytest.mark.parametrize("values", [{}, EVERYTHING, LONGEST], ids=["default", "all", "longest"])
def test_real_api_server_takes_every_object(
    control_plane: ApiServer, namespace: str, values: Json
) -> None:
    """Every object passes a real API server's strict field validation."""
    objects = [each for each in rendered(values) if each["kind"] not in PROMETHEUS_KINDS]
    for each in objects:
        if "namespace" in each["metadata"]:
            each["metadata"]["namespace"] = namespace
    answer = apply_dry(control_plane, objects)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("serverside-applied") == len(objects)


def test_rights_suffice_and_no_more(crd_installed: ApiServer, namespace: str) -> None:
    """A real API server lets the operator's account do its work, and refuses the rest."""
    chart = rendered({"namespaces": [namespace], "rbac": {"aggregate": False}})
    chosen = [each for each in chart if each["kind"] in ("Role", "RoleBinding")]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": chosen})
    base = [str(kubectl()), "--kubeconfig", str(crd_installed.kubeconfig)]
    subprocess.run([*base, "apply", "-f", "-"], input=listed, text=True, check=True)

    api = crd_installed.api()

    def may(verb: str, resource: str) -> bool:
        plural, _, subresource = resource.partition("/")
        name, _, group = plural.partition(".")
        question = {
            "user": "system:serviceaccount:preftrain-system:preftrain",
            "resourceAttributes": {
                "namespace": namespace,
                "verb": verb,
                "group": group,
                "resource": name,
                "subresource": subresource,
            },
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        answer = api.call("POST", path, {"spec": question})
        return bool(answer["status"]["allowed"])

    kind = "preferencetrainingjobs.preftrain.dev"
    assert all(may(verb, kind) for verb in ("get", "list", "watch"))
    assert may("patch", f"{kind}/status")
    assert all(
        may(verb, "jobs.batch") for verb in ("get", "list", "watch", "create", "patch", "delete")
    )
    assert all(may(verb, "pods") for verb in ("get", "list", "watch"))
    assert may("create", "events")
    refused = [
        *((verb, "secrets") for verb in ("get", "list", "watch")),
        *((verb, kind) for verb in ("create", "update", "patch", "delete")),
        ("create", "pods"),
        ("delete", "pods"),
        ("get", "pods/log"),
        ("update", "jobs.batch"),
        ("get", "configmaps"),
        ("patch", "events"),
    ]
    assert [each for each in refused if may(*each)] == []


def test_notes_name_the_next_commands() -> None:
    """After an installation a user reads what to type next, with the names of the release."""
    notes = helm(
        *("install", "demo", str(CHART), "--dry-run=client", "--namespace", "system"), values={}
    ).rpartition("NOTES:")[2]
    for command in (
        "kubectl -n system rollout status deployment/demo-preftrain",
        "create secret generic s3-keys",
        "kind: PreferenceTrainingJob",
        "kubectl explain ptj.spec",
    ):
        assert command in notes
