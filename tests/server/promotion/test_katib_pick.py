"""What Katib would have chosen is told and recorded, and never decides; search.json says what a promotion came to."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from atelier_server.promotion.katib import Experiment
from atelier_store.audit import audit
from atelier_store.layout import Store
from atelier_store.records import Current, KatibPick, Search, TrialConfig, TrialRecord
from atelier_store.spec import Spec

from tests.support.experiments import add_trial, begin, spec
from tests.support.kubernetes_api import (
    MISSING,
    NAME,
    NAMESPACE,
    Api,
    answering,
    error,
    experiment,
    json_answer,
    picked,
    write_kubeconfig,
)
from tests.support.onnx_bundles import image_bundle
from tests.support.server_process import free_port

pytestmark = pytest.mark.process


@pytest.fixture
def of(store: Store) -> Spec:
    """An experiment whose trial `second` is the best; `poor` was too dear, and `refused` came to nothing."""
    of = spec(budget={"params": 100}).model_copy(update={"name": NAME})
    assert begin(store, of) == NAME
    add_trial(store, of, image_bundle(1, metric=0.8), "first")
    add_trial(store, of, image_bundle(2, metric=0.9), "second")
    add_trial(store, of, image_bundle(3, metric=0.7), "dear", params=101)
    TrialRecord(trial="refused", params={}, key=None, error="lr: 9; allowed: at most 1").write(
        store.experiment(NAME).trial("refused")
    )
    return of


def promote(api: Api, store: Store) -> subprocess.CompletedProcess[str]:
    return api.run("promote", "--namespace", NAMESPACE, store=store)


def search(store: Store) -> Search:
    return Search.read(store.model("digits").search)


def key(seed: int) -> str:
    config: TrialConfig = image_bundle(seed).fields["config"]
    return config.key


@pytest.mark.parametrize(
    ("pick", "told", "recorded"),
    [
        (picked("second", "0.93"), "Katib's pick agrees: second", {"key": key(2), "value": 0.93, "agrees": True}),
        (
            picked("first", "0.97"),
            "Katib would have chosen first (0.97): it ranks 2 here, with val_accuracy 0.8 at its end",
            {"key": key(1), "value": 0.97, "agrees": False},
        ),
        (
            picked("dear", "0.99"),
            "Katib would have chosen dear (0.99): over budget: params 101 > 100",
            {"key": key(3), "value": 0.99, "agrees": False},
        ),
        (
            picked("refused", ""),
            "Katib would have chosen refused (no finite value): lr: 9; allowed: at most 1",
            {"key": None, "value": None, "agrees": False},
        ),
        (
            picked("elsewhere", "1"),
            "Katib would have chosen elsewhere (1): the store knows no training of it",
            {"key": None, "value": 1.0, "agrees": False},
        ),
    ],
    ids=["agrees", "ranks lower", "over budget", "refused", "unknown"],
)
def test_katibs_pick_is_compared_with_ours(
    tmp_path: Path, store: Store, of: Spec, pick: dict[str, Any], told: str, recorded: dict[str, Any]
) -> None:
    with answering(tmp_path, json_answer(experiment(pick=pick))) as api:
        done = promote(api, store)
    assert done.returncode == 0, done.stderr
    assert [line.split(": ", 1)[1] for line in done.stderr.splitlines()][1:-1] == [told]
    found = search(store)
    assert (found.experiment, found.state, found.reason) == (NAME, "promoted", None)
    assert found.katib == KatibPick(trial=pick["bestTrialName"], **recorded)
    assert Current.read(store.model("digits").current).version
    assert audit(store).mismatches == []


def test_the_tail_of_katibs_pick_agrees_with_it(tmp_path: Path, store: Store, of: Spec) -> None:
    tail = image_bundle(9, metric=0.95)
    tail.fields["config"] = tail.fields["config"].model_copy(
        update={"parent": key(2), "parent_epochs": 3, "tail_epochs": 2}
    )
    tail.fields["provenance"] = tail.fields["provenance"].model_copy(update={"parents": (key(2),)})
    add_trial(store, of, tail, "tail")
    with answering(tmp_path, json_answer(experiment(pick=picked("second", "0.93")))) as api:
        done = promote(api, store)
    assert "trial tail" in done.stderr and "Katib's pick agrees: second, whose tail this is" in done.stderr
    assert search(store).katib == KatibPick(trial="second", key=key(2), value=0.93, agrees=True)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (MISSING, f"no Experiment {NAME} in namespace {NAMESPACE}"),
        (json_answer(experiment()), f"Experiment {NAME} has none"),
        (error(403, "experiments is forbidden"), "403: experiments is forbidden"),
    ],
    ids=["missing", "no pick", "forbidden"],
)
def test_a_promotion_stands_without_katibs_pick(tmp_path: Path, store: Store, of: Spec, answer: Any, told: str) -> None:
    with answering(tmp_path, answer) as api:
        done = promote(api, store)
    assert done.returncode == 0, done.stderr
    assert [
        line.split(" WARNING ")[1].split(": ", 1)[1] for line in done.stderr.splitlines() if " WARNING " in line
    ] == [f"not compared with Katib's pick: {told}"]
    assert (search(store).state, search(store).katib) == ("promoted", None)


@pytest.mark.parametrize("there", [True, False], ids=["nobody listens", "no kubeconfig"])
def test_a_promotion_stands_without_a_cluster(tmp_path: Path, store: Store, of: Spec, there: bool) -> None:
    if there:
        write_kubeconfig(tmp_path, free_port())
    done = promote(Api(tmp_path, []), store)
    assert (done.returncode, done.stderr.count("WARNING")) == (0, 1)
    assert "Traceback" not in done.stderr
    assert (search(store).state, search(store).katib) == ("promoted", None)


def test_a_promotion_without_a_namespace_asks_nobody(tmp_path: Path, store: Store, of: Spec) -> None:
    done = Api(tmp_path, []).run("promote", store=store)
    assert done.returncode == 0
    assert [line.split(": ", 1)[1].split()[0] for line in done.stderr.splitlines()] == ["promoted", "the"], done.stderr
    assert (search(store).state, search(store).katib) == ("promoted", None)


def test_a_promotion_that_fails_says_every_reason(tmp_path: Path, store: Store) -> None:
    of = spec(budget={"params": 5}).model_copy(update={"name": NAME})
    begin(store, of)
    for seed in (1, 2):
        add_trial(store, of, image_bundle(seed), f"trial-{seed}")
    done = Api(tmp_path, []).run("promote", store=store)
    assert done.returncode == 1
    assert (search(store).state, search(store).reason) == (
        "failed",
        "trial-1: over budget: params 10 > 5; trial-2: over budget: params 10 > 5",
    )


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path, store: Store) -> None:
    done = Api(tmp_path, []).run("promote", store=store)
    assert done.returncode == 1 and "has no experiment" in done.stderr
    assert not store.root.exists()


@pytest.mark.parametrize("value", ["", "unavailable", "NaN", "-inf"])
def test_a_value_that_is_not_a_finite_number_is_none(value: str) -> None:
    assert Experiment.model_validate(experiment(pick=picked("t", value))).pick_value is None


@pytest.mark.parametrize(
    ("objective", "value"),
    [
        ({"type": "maximize"}, 0.9),
        ({"type": "minimize"}, 0.1),
        ({"type": "maximize", "metricStrategies": [{"name": "val_accuracy", "value": "latest"}]}, 0.2),
        ({"type": "maximize", "metricStrategies": [{"name": "val_loss", "value": "latest"}]}, 0.9),
        ({"type": "maximize", "metricStrategies": None}, 0.9),
        ({"type": "maximize", "objectiveMetricName": "other"}, None),
    ],
)
def test_the_value_is_the_one_that_the_strategy_names(objective: dict[str, Any], value: float | None) -> None:
    shown = experiment(pick=picked("t", "0.9"))
    shown["spec"]["objective"] = {"objectiveMetricName": "val_accuracy"} | objective
    assert Experiment.model_validate(shown).pick_value == value
