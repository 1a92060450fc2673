"""Alerts fire when they should and have runbooks; the dashboard shows metrics that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.programs import program
from tests.chart.rendering import API_VERSIONS, CHART, HELMS, by_kind, only, refused, render
from tests.support import ROOT

pytestmark = pytest.mark.process

QUICKSTART = ROOT / "values" / "quickstart.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks"
SCENARIOS = Path(__file__).parent / "rules"
KINDS = {"serviceMonitor": "ServiceMonitor", "prometheusRule": "PrometheusRule", "dashboard": "ConfigMap"}
OPTIONAL = ("ServiceMonitor", "PrometheusRule")
WITHOUT_OPERATOR = tuple(api for api in API_VERSIONS if "monitoring.coreos.com" not in api)
ALERTS = [one["alert"] for one in yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())]
DASHBOARD = json.loads((CHART / "files" / "dashboard.json").read_text())
VARIABLES = {"$namespace": "atelier", "$job": "digits-atelier-server", "$__rate_interval": "2m"}
SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*\{([^}]*)\}")


def monitored(enabled: Iterable[str] = KINDS, **arguments: Any) -> list[dict[str, Any]]:
    """The objects of a release with these kinds of monitoring."""
    switches = [f"monitoring.{kind}.enabled=true" for kind in enabled]
    return render(QUICKSTART, set=[*switches, *arguments.pop("set", ())], **arguments)


def rules(**arguments: Any) -> list[dict[str, Any]]:
    """The alerts of a release, in the order of their group."""
    (group,) = only(monitored(**arguments), "PrometheusRule")["spec"]["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def rule_of(alert: str) -> dict[str, Any]:
    (found,) = [one for one in rules() if one["alert"] == alert]
    return found


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False, timeout=60)


def written(folder: Path, group: dict[str, Any]) -> Path:
    """A rule file as Prometheus reads it."""
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [group]}))
    return file


# when each is there


@pytest.mark.parametrize("helm", HELMS)
def test_nothing_is_monitored_unless_asked_for(helm: str) -> None:
    objects = render(QUICKSTART, helm=helm)
    assert not [
        one["kind"] for one in objects if one["kind"] in OPTIONAL or one["metadata"]["name"].endswith("-dashboard")
    ]


@pytest.mark.parametrize(("enabled", "kind"), KINDS.items())
def test_each_kind_is_there_by_its_own_switch(enabled: str, kind: str) -> None:
    def names(objects: list[dict[str, Any]]) -> set[tuple[str, str]]:
        return {(one["kind"], one["metadata"]["name"]) for one in objects}

    added = names(monitored([enabled])) - names(render(QUICKSTART))
    assert added == {(kind, "digits-atelier-dashboard" if kind == "ConfigMap" else "digits-atelier-server")}


@pytest.mark.parametrize("helm", HELMS)
def test_a_cluster_without_the_operator_is_refused_skipped_or_ignored_as_the_render_mode_says(helm: str) -> None:
    without: dict[str, Any] = {"api_versions": WITHOUT_OPERATOR, "helm": helm}
    said = refused(QUICKSTART, set=[f"monitoring.{kind}.enabled=true" for kind in KINDS], **without)
    assert [f"has no monitoring.coreos.com/v1/{kind}" in said for kind in OPTIONAL] == [True, True]

    skipped = monitored(set=["monitoring.renderMode=skipIfMissing"], **without)
    assert not [one for kind in OPTIONAL for one in by_kind(skipped, kind)]
    assert only(skipped, "ConfigMap", "-dashboard")

    rendered_all_the_same = monitored(set=["monitoring.renderMode=alwaysRender"], **without)
    assert [len(by_kind(rendered_all_the_same, kind)) for kind in OPTIONAL] == [1, 1]


def test_both_helms_make_the_same_of_it() -> None:
    assert monitored(helm="helm") == monitored(helm="helm3")


@pytest.mark.parametrize(("enabled", "kind"), KINDS.items())
def test_labels_of_the_user_are_added_and_win(enabled: str, kind: str) -> None:
    labels = {"release": "prometheus", "app.kubernetes.io/part-of": "stack"}
    objects = monitored([enabled], values={"monitoring": {enabled: {"labels": labels}}})
    found = only(objects, kind, "-dashboard" if enabled == "dashboard" else None)["metadata"]["labels"]
    assert found.items() >= labels.items()
    assert found["app.kubernetes.io/instance"] == "digits"


# scraping


def test_the_service_monitor_selects_the_server_and_nothing_else() -> None:
    objects = render(ROOT / "values" / "everything.yaml")
    monitor = only(objects, "ServiceMonitor")["spec"]
    selected = [
        one
        for one in by_kind(objects, "Service")
        if one["metadata"]["labels"].items() >= monitor["selector"]["matchLabels"].items()
    ]
    assert [one["metadata"]["name"] for one in selected] == ["digits-atelier-server"]
    assert monitor["namespaceSelector"] == {"matchNames": ["atelier"]}
    assert (
        monitor["selector"]["matchLabels"]["app.kubernetes.io/instance"] == "digits"
    )  # another release's server is another's


def test_the_port_scraped_is_the_servers_own_for_metrics() -> None:
    objects = monitored(set=["server.metricsPort=9191"])
    (endpoint,) = only(objects, "ServiceMonitor")["spec"]["endpoints"]
    (port,) = [one for one in only(objects, "Service", "-server")["spec"]["ports"] if one["name"] == endpoint["port"]]
    container = only(objects, "Deployment", "-server")["spec"]["template"]["spec"]["containers"][0]
    (target,) = [one for one in container["ports"] if one["name"] == port["targetPort"]]
    assert (endpoint["path"], port["port"], target["containerPort"]) == ("/metrics", 9191, 9191)
    assert "--metrics-port=9191" in container["args"]


def test_the_label_endpoint_stays_the_servers_own() -> None:
    """The operator gives each target a label of that name: the server's would be renamed and match no alert."""
    (endpoint,) = only(monitored(), "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["relabelings"] == [{"action": "labeldrop", "regex": "endpoint"}]
    assert "metricRelabelings" not in endpoint


# alerts


def test_prometheus_takes_the_rules(tmp_path: Path) -> None:
    (group,) = only(monitored(), "PrometheusRule")["spec"]["groups"]
    assert group["name"] == "digits-atelier"
    run = promtool("check", "rules", written(tmp_path, group))
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(ALERTS)} rules found" in run.stdout


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_fires_when_it_should_and_at_no_other_time(alert: str, tmp_path: Path) -> None:
    scenarios = SCENARIOS / f"{alert}.yaml"
    expected = [
        bool(check["exp_alerts"])
        for test in yaml.safe_load(scenarios.read_text())["tests"]
        for check in test["alert_rule_test"]
    ]
    assert {True, False} == {*expected}
    shutil.copy(scenarios, tmp_path)
    written(tmp_path, {"name": "all", "rules": rules()})
    run = promtool("test", "rules", tmp_path / scenarios.name)
    assert run.returncode == 0, run.stdout + run.stderr

    written(tmp_path, {"name": "others", "rules": [one for one in rules() if one["alert"] != alert]})
    assert promtool("test", "rules", tmp_path / scenarios.name).returncode != 0, "the scenarios do without the alert"


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_looks_at_this_releases_server_only_and_says_what_where_and_what_to_do(alert: str) -> None:
    rule = rule_of(alert)
    for name, labels in selectors(rule["expr"]):
        assert labels.startswith('job="digits-atelier-server", namespace="atelier"'), name
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"].endswith(f"/docs/runbooks/{rule['alert']}.md")
    assert "{{ $labels.namespace }}" in rule["annotations"]["description"]


def test_nothing_is_left_to_be_filled_in() -> None:
    assert "@" not in json.dumps(rules())


def test_bounds_and_runbooks_are_those_of_the_values() -> None:
    bounds = {
        "errorRatio": 0.125,
        "overloadRatio": 0.25,
        "latencySeconds": 2,
        "stalledMinutes": 90,
        "driftDeviations": 1.5,
        "driftIndex": 0.5,
        "runbookUrl": "https://example.com/books/",
    }
    found = {one["alert"]: one for one in rules(values={"monitoring": {"prometheusRule": bounds}})}
    assert found["AtelierErrorRatio"]["expr"].strip().endswith("> 0.125")
    assert found["AtelierOverloaded"]["expr"].strip().endswith("> 0.25")
    assert found["AtelierLatency"]["expr"].strip().endswith("> 2")
    assert "> 60 * 90\n" in found["AtelierSearchStalled"]["expr"]
    assert "90 minutes" in found["AtelierSearchStalled"]["annotations"]["description"]
    assert "\n> 1.5\nand" in found["AtelierInputDrift"]["expr"]
    assert "\n> 0.5\nand" in found["AtelierColumnDrift"]["expr"]
    assert found["AtelierLatency"]["annotations"]["runbook_url"] == "https://example.com/books/AtelierLatency.md"


@pytest.mark.parametrize("helm", HELMS)
def test_disabled_alerts_are_left_out(helm: str) -> None:
    disabled = ["AtelierLatency", "AtelierNoModel"]
    kept = rules(helm=helm, values={"monitoring": {"prometheusRule": {"disabledAlerts": disabled}}})
    assert [one["alert"] for one in kept] == [one for one in ALERTS if one not in disabled]
    assert rules(helm=helm, values={"monitoring": {"prometheusRule": {"disabledAlerts": ALERTS}}}) == []


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"} == {*ALERTS}
    listed = re.findall(r"\]\((Atelier\w+)\.md\)", (RUNBOOKS / "README.md").read_text())
    assert listed == ALERTS


@pytest.mark.parametrize("alert", ALERTS)
def test_a_runbook_has_the_four_parts_that_people_on_call_know(alert: str) -> None:
    headings = re.findall(r"^#+ .*", (RUNBOOKS / f"{alert}.md").read_text(), re.MULTILINE)
    assert headings == [f"# {alert}", "## Meaning", "## Impact", "## Diagnosis", "## Mitigation"]


def queries(page: Path) -> list[str]:
    return re.findall(r"^```promql\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("alert", ALERTS)
def test_a_runbooks_queries_are_understood_and_use_metrics_that_the_server_exports(
    alert: str, tmp_path: Path, exported: set[str]
) -> None:
    shown = queries(RUNBOOKS / f"{alert}.md")
    assert {name for query in shown for name, _ in selectors(query)} <= exported
    asked = [{"record": f"asked:{number}", "expr": query} for number, query in enumerate(shown)]
    run = promtool("check", "rules", written(tmp_path, {"name": alert, "rules": asked}))
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_queries_of_the_docs_are_understood_and_use_metrics_that_the_server_exports(
    tmp_path: Path, exported: set[str]
) -> None:
    shown = queries(ROOT / "docs" / "serving.md")
    assert shown
    assert {name for query in shown for name in re.findall(r"\batelier_\w+", query)} <= exported
    run = promtool(
        "check",
        "rules",
        written(tmp_path, {"name": "docs", "rules": [{"record": "asked:0", "expr": one} for one in shown]}),
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_a_runbooks_commands_find_what_the_chart_makes(alert: str) -> None:
    objects = monitored()
    labels = [one["metadata"].get("labels", {}) for one in objects]
    named = {f"{one['kind'].lower()}/{one['metadata']['name']}" for one in objects}
    page = (
        (RUNBOOKS / f"{alert}.md").read_text().replace("RELEASE", "digits").replace("SERVER", "digits-atelier-server")
    )
    commands = [line.strip() for line in page.splitlines() if line.strip().startswith("kubectl ")]
    assert commands
    for command in commands:
        for asked in re.findall(r" -l (\S*digits\S*)", command):
            wanted = dict(one.split("=") for one in asked.split(","))
            found = [one for one in labels if wanted.items() <= one.items()]
            assert found or wanted == {"kubernetes.io/service-name": "digits-atelier-server"}, (
                command
            )  # Kubernetes' own
        assert {*re.findall(r"(?:deployment|service)/[a-z-]+", command)} <= named, command


@pytest.mark.parametrize("alert", ALERTS)
def test_the_values_that_a_runbook_names_are_there(alert: str) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    tops = "|".join(values)
    named = re.findall(rf"`((?:{tops})(?:\.\w+)+)`", (RUNBOOKS / f"{alert}.md").read_text())
    for name in named:
        reduce(lambda inner, key: inner[key], name.split("."), values)


def test_every_alert_has_scenarios() -> None:
    assert {file.stem for file in SCENARIOS.glob("*.yaml")} == {*ALERTS}


# the dashboard


def panels() -> list[dict[str, Any]]:
    return [one for one in DASHBOARD["panels"] if one["type"] != "row"]


def expressions() -> Iterator[str]:
    """Of every panel, as Grafana asks Prometheus."""
    for panel in panels():
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            yield expression


def test_the_dashboard_is_handed_out_as_it_is() -> None:
    config = only(monitored(), "ConfigMap", "-dashboard")
    assert {name: json.loads(text) for name, text in config["data"].items()} == {"katib-nas-atelier.json": DASHBOARD}
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_the_dashboard_is_the_same_for_every_release() -> None:
    other = only(monitored(release="other", namespace="elsewhere"), "ConfigMap", "-dashboard")
    assert other["data"] == only(monitored(), "ConfigMap", "-dashboard")["data"]
    assert DASHBOARD["uid"] == "katib-nas-atelier"


def test_the_dashboard_can_be_provisioned() -> None:
    """Grafana asks for inputs at a manual import only; numbers of panels and places are each one's own."""
    assert "__inputs" not in DASHBOARD
    assert "id" not in DASHBOARD
    assert [one["name"] for one in DASHBOARD["templating"]["list"]] == ["datasource", "namespace", "job"]
    numbers = [one["id"] for one in DASHBOARD["panels"]]
    assert len(numbers) == len({*numbers})
    taken = [
        (x, y)
        for place in (one["gridPos"] for one in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len({*taken})
    assert max(x for x, _ in taken) < 24


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_in_which_unit(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel["type"] == "table" or panel["fieldConfig"]["defaults"]["unit"]
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"]
        assert target["legendFormat"] not in ("", "__auto")


def test_prometheus_understands_what_the_dashboard_asks(tmp_path: Path) -> None:
    asked = [{"record": f"asked:{number}", "expr": expression} for number, expression in enumerate(expressions())]
    assert "$" not in json.dumps(asked)
    run = promtool("check", "rules", written(tmp_path, {"name": "dashboard", "rules": asked}))
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_dashboard_looks_at_the_chosen_server_only() -> None:
    for expression in expressions():
        for name, labels in selectors(expression):
            assert labels.startswith('namespace="atelier", job="digits-atelier-server"'), name


# metrics


def selectors(expression: str) -> list[tuple[str, str]]:
    """Name and labels of each metric in an expression; none is without labels."""
    found = SELECTOR.findall(expression)
    bare = {*re.findall(r"\b(?:atelier|process)_\w+", expression)} - {name for name, _ in found}
    assert found and not bare, f"{bare} in {expression}"
    return found


@pytest.fixture(scope="module")
def exported() -> set[str]:
    """Names of a server's metrics, as docs/serving.md lists them (tested there), and of what Prometheus adds."""
    kinds = re.findall(
        r"^\| `((?:atelier|process)_\w+)` \| (\w+) \|", (ROOT / "docs" / "serving.md").read_text(), re.MULTILINE
    )
    return {"up"} | {
        name + ending
        for name, kind in kinds
        for ending in (["_bucket", "_count", "_sum"] if kind == "histogram" else [""])
    }


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_uses_metrics_that_the_server_exports(alert: str, exported: set[str]) -> None:
    assert {name for name, _ in selectors(rule_of(alert)["expr"])} <= exported


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_uses_metrics_that_the_server_exports(panel: dict[str, Any], exported: set[str]) -> None:
    assert {name for target in panel["targets"] for name, _ in selectors(target["expr"])} <= exported


def test_the_dashboards_variables_use_metrics_that_the_server_exports(exported: set[str]) -> None:
    asked = [one["query"]["query"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]
    assert {re.sub(r"^label_values\((\w+).*$", r"\1", query) for query in asked} <= exported
