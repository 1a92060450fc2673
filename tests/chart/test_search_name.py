"""Which changes start another search: the Experiment's name decides, since Katib rejects changes of its spec."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from atelier_cli.profile.merging import with_value

from tests.chart.rendering import CHART, HELMS, only, render
from tests.support import ROOT

pytestmark = pytest.mark.process

QUICKSTART = ROOT / "values" / "quickstart.yaml"
MEDIANSTOP = {"experiment": {"earlyStopping": {"algorithmName": "medianstop", "algorithmSettings": []}}}


def overrides(change: str) -> dict[str, Any]:
    """Values of a change such as `trainer.seed=1; trainer.maxEpochs=3`; places in a list are for --set."""
    made: dict[str, Any] = {}
    for one in change.split("; "):
        where, _, value = one.partition("=")
        made = with_value(made, tuple(where.split(".")), yaml.safe_load(value))
    return {"set": [change]} if "[" in change.partition("=")[0] else {"values": made}


def name(*, chart: Path = CHART, **arguments: Any) -> str:
    found: str = only(render(QUICKSTART, chart=chart, **arguments), "Experiment")["metadata"]["name"]
    return found


def test_the_same_search_continues_whatever_does_not_change_its_trials() -> None:
    changes = [
        "experiment.maxTrialCount=40",
        "experiment.maxFailedTrialCount=5",
        "experiment.parallelTrialCount=2",
        "extractor.mode=none",
        "extractor.timeoutSeconds=3600",
        "server.replicas=3",
        "server.model=other",
        "server.image.tag=v2",
        "storage.size=20Gi",
        "monitoring.serviceMonitor.enabled=true",
        "networkPolicy.enabled=true",
        "inspector.enabled=true",
        "global.anything=1",
    ]
    assert name(**overrides("; ".join(changes))) == name()


@pytest.mark.parametrize(
    "change",
    [
        "experiment.parameters[0].feasibleSpace.list[0]=8",
        "experiment.objective={type: minimize, objectiveMetricName: val_loss, additionalMetricNames: []}",
        "experiment.objective.goal=0.9",
        "experiment.objective.additionalMetricNames=null",
        "experiment.algorithm.algorithmName=random",
        "experiment.algorithm.algorithmSettings[0].value=2",
        "experiment.earlyStopping.algorithmSettings[0].value=4",
        "experiment.name=other",
        "trainer.maxEpochs=27",
        "trainer.tailEpochs=0",
        "trainer.seed=1",
        "trainer.data.validationFraction=0.1",
        "trainer.budget.params=10000",
        "trainer.image.tag=v2",
        "trainer.resources.limits.memory=4Gi",
        "trainer.pod.timeoutSeconds=60",
        "trainer.pod.nodeSelector.disk=ssd",
        "storage.existingClaim=other",
        "katib.resumePolicy=Never",
        "security.runAsUser=1",
    ],
)
def test_what_katib_would_refuse_to_change_is_another_search(change: str) -> None:
    assert name(**overrides(change)) != name()


def test_early_stopping_of_katib_is_another_search() -> None:
    assert name(values=MEDIANSTOP) != name()


def test_release_and_namespace_are_in_the_name() -> None:
    """Katib mixes up trials of two Experiments of one name in two namespaces."""
    assert len({name(), name(namespace="other"), name(release="other")}) == 3


def test_order_of_keys_and_comments_do_not_matter(tmp_path: Path) -> None:
    def turned(value: Any) -> Any:
        return {key: turned(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    file = tmp_path / "turned.yaml"
    file.write_text("# the same\n" + yaml.safe_dump(turned(yaml.safe_load(QUICKSTART.read_text())), sort_keys=False))
    assert only(render(file), "Experiment")["metadata"]["name"] == name()


@pytest.mark.parametrize("text", ["0.02", '"0.02"', "2e-2", "0.020"])
def test_a_number_is_the_same_however_it_is_written(tmp_path: Path, text: str) -> None:
    file = tmp_path / "written.yaml"
    file.write_text(QUICKSTART.read_text().replace("max: 0.02", f"max: {text}"))
    assert only(render(file), "Experiment")["metadata"]["name"] == name()


def test_a_new_chart_version_is_the_same_search(tmp_path: Path) -> None:
    chart = shutil.copytree(CHART, tmp_path / CHART.name)
    read = (chart / "Chart.yaml").read_text()
    (chart / "Chart.yaml").write_text(re.sub(r"(?m)^version: .*", "version: 9.9.9", read))
    assert name(chart=chart) == name()


@pytest.mark.parametrize("helm", HELMS)
def test_large_numbers_are_written_out(helm: str) -> None:
    """Helm's own text for 1000000 is 1e+06, which is no whole number to Katib."""
    parameter = {"name": "batch", "parameterType": "int", "feasibleSpace": {"min": 2, "max": 65536}}
    space = {
        "experiment": {"parameters": [parameter], "maxTrialCount": 1000000},
        "trainer": {"budget": {"params": 3000000}},
    }
    objects = render(QUICKSTART, values=space, helm=helm)
    spec = only(objects, "Experiment")["spec"]
    assert spec["maxTrialCount"] == 1000000
    assert spec["parameters"][0]["feasibleSpace"] == {"min": "2", "max": "65536", "distribution": "uniform"}
    assert (
        '"params": 3000000'
        in only(objects, "ConfigMap", only(objects, "Experiment")["metadata"]["name"])["data"]["spec.json"]
    )
