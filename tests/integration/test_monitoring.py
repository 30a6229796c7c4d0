"""The chart's alerts and dashboard, judged by Prometheus' own tool and by the metrics there are."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from preftrain_api.reasons import Reason
from preftrain_operator.edge.metrics import Metrics
from preftrain_operator.runtime.leadership import Alone
from preftrain_operator.runtime.queue import WorkQueue
from preftrain_operator.runtime.store import Store
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.progress.metrics import TrainerMetrics
from support.chart import Json, only, rendered
from support.pages import ROOT, blocks, inline_code
from support.promtool import promtool

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

PAGE = ROOT / "docs" / "how-to" / "on-call.md"
MONITORING = ROOT / "docs" / "how-to" / "monitoring.md"
QUERY_STARTS = ("preftrain_", "max", "sum", "histogram_quantile", "increase", "rate")
ENABLED: Json = {"metrics": {"prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}}
OPERATOR = 'namespace="preftrain-system",job="preftrain-metrics"'
TRAINING = 'namespace="team-a",pod="qwen-r1-1-x"'


def rule_groups() -> Json:
    """What the chart's PrometheusRule holds, as a rule file."""
    spec: Json = only(rendered(ENABLED), "PrometheusRule")["spec"]
    return spec


def alerts() -> Iterator[Json]:
    """Every alert of the chart."""
    for group in rule_groups()["groups"]:
        yield from group["rules"]


def dashboard() -> Json:
    """The chart's dashboard."""
    board: Json = json.loads(only(rendered(ENABLED), "ConfigMap")["data"]["preftrain.json"])
    return board


def dashboard_expressions() -> Iterator[str]:
    """Every query of the dashboard."""
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel["targets"])


async def exposed() -> set[str]:
    """Names of the series that operator and trainer expose."""
    operator = Metrics()
    operator.observe(Store(), WorkQueue(), Alone())
    trainer = TrainerMetrics(ProgressBoard("pod"))
    return {
        name
        for registry in (operator.registry, trainer.registry)
        for family in registry.collect()
        for name in _series(family.name, family.type)
    }


def _series(family: str, kind: str) -> Sequence[str]:
    match kind:
        case "counter":
            return (f"{family}_total",)
        case "histogram":
            return tuple(f"{family}_{part}" for part in ("bucket", "sum", "count"))
    return (family,)


async def test_every_query_asks_for_series_that_exist() -> None:
    """A renamed metric would leave an alert that never fires and a panel that stays empty."""
    asked = {
        name
        for text in (
            *(alert["expr"] for alert in alerts()),
            *dashboard_expressions(),
            *inline_code(MONITORING),
        )
        for name in re.findall(r"preftrain_\w+", text)
    }
    assert asked <= await exposed()


def test_alerts_name_states_and_reasons_that_exist() -> None:
    """A reason that is renamed in the code must be renamed here."""
    named = {
        word
        for alert in alerts()
        for words in re.findall(r'(?:state|reason)=~"([^"]+)"', alert["expr"])
        for word in words.split("|")
    }
    assert named
    assert named <= {str(reason) for reason in Reason}


def test_every_alert_has_a_paragraph_on_the_page() -> None:
    """Who is woken finds the alert's name as a heading, and no heading without an alert."""
    headings = set(re.findall(r"^### (Preftrain\w+)$", PAGE.read_text(), re.M))
    assert headings == {alert["alert"] for alert in alerts()}


def test_every_query_of_the_dashboard_is_one(tmp_path: Path) -> None:
    """Prometheus parses it once Grafana has filled in its variables."""
    rules = [
        {"record": f"query:{number}", "expr": text.replace("$pod", ".*")}
        for number, text in enumerate(dashboard_expressions())
    ]
    group = {"groups": [{"name": "dashboard", "rules": rules}]}
    promtool("check", "rules", content=group, folder=tmp_path)


def test_the_scrape_configuration_shown_is_one(tmp_path: Path) -> None:
    """For who runs Prometheus without its operator. Builds of distributions leave out the discovery
    of pods, so that part is not tried.
    """
    (shown,) = (yaml.safe_load(text) for _, text in blocks(MONITORING, "yaml") if "scrape_" in text)
    for job in shown["scrape_configs"]:
        assert job.pop("kubernetes_sd_configs") == [{"role": "pod"}]
    promtool("check", "config", content=shown, folder=tmp_path)


def test_the_queries_shown_are_some(tmp_path: Path) -> None:
    """They parse, and there are such series."""
    queries = [code for code in inline_code(MONITORING) if code.startswith(QUERY_STARTS)]
    assert len(queries) > 5
    rules = [{"record": f"query:{n}", "expr": text} for n, text in enumerate(queries)]
    content = {"groups": [{"name": "shown", "rules": rules}]}
    promtool("check", "rules", content=content, folder=tmp_path)


def test_alerts_follow_the_release() -> None:
    """Alerts of a release with another name in another namespace ask for its own operator."""
    objects = rendered({**ENABLED, "fullnameOverride": "aligner"}, "--namespace", "platform")
    (down,) = (
        alert
        for alert in only(objects, "PrometheusRule")["spec"]["groups"][0]["rules"]
        if alert["alert"] == "PreftrainOperatorDown"
    )
    assert 'namespace="platform",job="aligner-metrics"' in down["expr"]
    service = only(objects, "Service")["metadata"]
    assert (service["namespace"], service["name"]) == ("platform", "aligner-metrics")


def operator(name: str, values: str, **labels: str) -> Mapping[str, str]:
    """A series of the operator's pod `a`, or of `pod`, in promtool's notation."""
    more = {"pod": "a", **labels}
    written = "".join(f',{key}="{value}"' for key, value in more.items())
    return {"series": f"preftrain_operator_{name}{{{OPERATOR}{written}}}", "values": values}


def training(name: str, values: str, more: str = "") -> Mapping[str, str]:
    """A series of a training pod."""
    return {"series": f"preftrain_{name}{{{TRAINING}{more}}}", "values": values}


LEADS = operator("leader", "1x120")
CASES: dict[str, tuple[str, str, list[Mapping[str, str]], int]] = {
    # name: alert, when it is asked for, series, how many fire
    "no operator": ("PreftrainOperatorDown", "6m", [], 1),
    "an operator": ("PreftrainOperatorDown", "6m", [LEADS], 0),
    "one of two leads": (
        *("PreftrainOperatorDown", "6m"),
        [LEADS, operator("leader", "0x120", pod="b")],
        0,
    ),
    "nobody leads": ("PreftrainOperatorDown", "6m", [operator("leader", "0x120")], 1),
    "a bug": (
        *("PreftrainOperatorBug", "20m"),
        [operator("reconciles_total", "0x15 1+1x120", outcome="bug")],
        1,
    ),
    "no bug": (
        *("PreftrainOperatorBug", "20m"),
        [operator("reconciles_total", "3x120", outcome="bug")],
        0,
    ),
    "most decisions fail": (
        *("PreftrainDecisionsFail", "30m"),
        [
            operator("reconciles_total", "0+9x120", outcome="error"),
            operator("reconciles_total", "0+1x120", outcome="success"),
        ],
        1,
    ),
    "some decisions fail": (
        *("PreftrainDecisionsFail", "30m"),
        [
            operator("reconciles_total", "0+1x120", outcome="error"),
            operator("reconciles_total", "0+9x120", outcome="success"),
        ],
        0,
    ),
    "a leader lets jobs wait": (
        *("PreftrainQueueStuck", "10m"),
        [LEADS, operator("queue_oldest_seconds", "40x120")],
        1,
    ),
    "one that stands by lets jobs wait": (
        *("PreftrainQueueStuck", "10m"),
        [
            *(LEADS, operator("queue_oldest_seconds", "0x120")),
            operator("leader", "0x120", pod="b"),
            operator("queue_oldest_seconds", "40+60x120", pod="b"),
        ],
        0,
    ),
    "held up": (
        *("PreftrainJobsHeldUp", "35m"),
        [operator("jobs", "2x120", pod=pod, state="ImagePullFailed") for pod in "ab"],
        1,
    ),
    "held up for moments": (
        *("PreftrainJobsHeldUp", "35m"),
        [operator("jobs", "2x20 _x120", state="Unschedulable")],
        0,
    ),
    "waits in a queue": (
        *("PreftrainJobsHeldUp", "35m"),
        [operator("jobs", "2x120", state="Queued")],
        0,
    ),
    "three runs fail, the first of their kind": (
        *("PreftrainRunsFail", "40m"),
        [operator("runs_total", "_x20 3x120", reason="GpuUnavailable")],
        1,
    ),
    "failed long ago": (
        *("PreftrainRunsFail", "100m"),
        [operator("runs_total", "7x120", reason="GpuUnavailable")],
        0,
    ),
    "their users' own": (
        *("PreftrainRunsFail", "40m"),
        [operator("runs_total", "_x20 9x120", reason="DataRefused")],
        0,
    ),
    "steps come": (
        *("PreftrainTrainingStalled", "60m"),
        [
            training("last_step_timestamp_seconds", "0+60x120"),
            training("phase", "1x120", ',phase="Training"'),
        ],
        0,
    ),
    "no more steps": (
        *("PreftrainTrainingStalled", "60m"),
        [
            training("last_step_timestamp_seconds", "600x120"),
            training("phase", "1x120", ',phase="Training"'),
        ],
        1,
    ),
    "no first step": (
        *("PreftrainTrainingStalled", "40m"),
        [
            training("last_step_timestamp_seconds", "0x120"),
            training("phase", "1x120", ',phase="Training"'),
        ],
        1,
    ),
    "a long evaluation": (
        *("PreftrainTrainingStalled", "60m"),
        [
            training("last_step_timestamp_seconds", "600x120"),
            training("phase", "0x120", ',phase="Training"'),
            training("phase", "1x120", ',phase="Evaluating"'),
        ],
        0,
    ),
}


def test_every_alert_is_tried() -> None:
    """Each is seen to fire, and to stay silent."""
    tried = {(alert, bool(count)) for alert, _, _, count in CASES.values()}
    named = {alert["alert"] for alert in alerts()}
    assert tried == {(name, fires) for name in named for fires in (True, False)}


def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    """Prometheus itself evaluates them over made-up series."""
    groups = rule_groups()
    # Labels and texts are not what is tried here.
    for rule in groups["groups"][0]["rules"]:
        rule["expr"] = f"count({rule['expr']})"
        rule["labels"] = rule["annotations"] = {}
    (tmp_path / "alerts.yaml").write_text(json.dumps(groups))
    tests = [
        {
            "name": name,
            "interval": "1m",
            "input_series": list(series),
            "alert_rule_test": [
                {"eval_time": at, "alertname": alert, "exp_alerts": [{}] if count else []}
            ],
        }
        for name, (alert, at, series, count) in CASES.items()
    ]
    content: dict[str, Any] = {"rule_files": ["alerts.yaml"], "tests": tests}
    promtool("test", "rules", content=content, folder=tmp_path)


def test_the_rules_and_their_texts_are_valid(tmp_path: Path) -> None:
    """As they stand in the chart."""
    promtool("check", "rules", content=rule_groups(), folder=tmp_path)
