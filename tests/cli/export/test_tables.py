"""CSV and lines of JSON have every trial, whole, with what is known of it."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from atelier_store.layout import Store
from atelier_store.spec import Spec

from tests.cli.export.conftest import ORDER, SUGGESTED
from tests.support.searches import atelier


def exported(store: Store, form: str, *arguments: str) -> str:
    done = atelier("export", form, "--store", str(store.root), *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(store: Store) -> dict[str, dict[str, str]]:
    return {row["trial"]: row for row in csv.DictReader(exported(store, "csv").splitlines(keepends=True))}


def told(store: Store) -> dict[str, Any]:
    return {one["trial"]: one for one in map(json.loads, exported(store, "jsonl").splitlines())}


def test_every_trial_is_a_row_in_the_order_of_suggestion(store: Store, searched: Spec) -> None:
    assert list(rows(store)) == list(told(store)) == ORDER


def test_a_row_has_parameters_value_cost_key_and_reason(store: Store, searched: Spec) -> None:
    found = rows(store)
    best, failed = found["succeeded"], found["failed"]
    assert {name: best[f"parameters.{name}"] for name in SUGGESTED} == SUGGESTED
    assert (best["status"], best["rank"], best["metric"], best["metrics.val_accuracy"]) == (
        "succeeded",
        "2",
        "0.9",
        "0.9",
    )
    assert (best["epochs"], best["seconds"], best["params"], best["latency_p50_ms"]) == ("3", "3.0", "10", "0.1")
    assert best["started_at"] < best["ended_at"]
    assert (failed["rank"], failed["reason"]) == ("", "Diverged: =1+1\nat epoch 3"), "a line break is quoted"
    assert found["running"]["ended_at"] == ""
    assert (found["refused"]["key"], found["refused"]["reason"]) == ("", "lr: 9 is too much")
    assert found["over"]["reason"] == "over budget: params 150 > 100"
    assert found["torn"]["reason"].endswith("torn.json: not a whole TrialRecord: file: Invalid JSON: EOF while parsing an object at line 1 column 1")  # fmt: skip # noqa: E501


def test_two_suggestions_of_one_network_are_two_rows(store: Store, searched: Spec) -> None:
    found = told(store)
    assert found["twice"] == found["succeeded"] | {"trial": "twice", "number": ORDER.index("twice")}


def test_a_tail_has_its_parents_parameters_and_a_curve_of_its_own(store: Store, searched: Spec) -> None:
    found = told(store)
    assert found["tail"]["parent"] == found["succeeded"]["key"]
    assert found["tail"]["parameters"] == SUGGESTED
    assert [epoch["metrics"]["val_accuracy"] for epoch in found["tail"]["curve"]] == [0.95]
    assert [epoch["metrics"]["val_accuracy"] for epoch in found["paused"]["curve"]] == [0.25, 0.5]


def test_a_file_is_replaced_whole(store: Store, searched: Spec, tmp_path: Path) -> None:
    file = tmp_path / "trials.csv"
    file.write_text("old")
    assert exported(store, "csv", "--file", str(file)) == ""
    assert file.read_bytes().replace(b"\r\n", b"\n") == exported(store, "csv").encode()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["trials.csv"]


@pytest.mark.parametrize("form", ["csv", "jsonl", "optuna"])
def test_an_experiment_that_is_not_there_is_answered_with_those_that_are(
    store: Store, searched: Spec, form: str, tmp_path: Path
) -> None:
    refused = atelier("export", form, "other", "--store", str(store.root), "--file", str(tmp_path / "x"))
    assert (refused.returncode, (tmp_path / "x").exists()) == (2, False)
    assert refused.stderr == f"{store.root} has no experiment 'other'; it has: {searched.experiment_name}\n"
    lacking = atelier("export", form, "--store", str(tmp_path / "nowhere"))
    assert (lacking.returncode, lacking.stderr) == (2, f"--store: {tmp_path / 'nowhere'}: no such folder\n")


def test_a_place_that_cannot_be_written_is_named(store: Store, searched: Spec, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = atelier("export", "csv", "--store", str(store.root), "--file", str(tmp_path / "file" / "x.csv"))
    assert refused.returncode == 2 and str(tmp_path / "file") in refused.stderr
