"""Records are whole, finite and known, or rejected by name; a bundle's files are those its manifest names."""

import json
from pathlib import Path
from typing import Any

import pytest
from atelier_store.bundle import check_digests
from atelier_store.files import sha256_file
from atelier_store.layout import BundlePaths
from atelier_store.records import Card, Manifest, TornRecord


def card(**changed: Any) -> Card:
    return Card(
        **{"key": "k", "status": "running", "objective_metric_name": "val_accuracy", "updated_at": "now", **changed}
    )


def test_a_record_reads_as_it_was_written(tmp_path: Path) -> None:
    written = card(metric=0.5, metrics={"val_accuracy": 0.5}, files={"model/model.onnx": "0" * 64})
    written.write(tmp_path / "card.json")
    assert Card.read(tmp_path / "card.json") == written


@pytest.mark.parametrize("metric", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused_when_read(tmp_path: Path, metric: str) -> None:
    path = tmp_path / "card.json"
    path.write_text(card().model_dump_json().replace('"metric":null', f'"metric":{metric}'))
    with pytest.raises(TornRecord, match=r"card\.json.*metric"):
        Card.read(path)


def test_a_number_that_is_not_finite_is_refused_when_written() -> None:
    with pytest.raises(ValueError, match="finite"):
        card(metric=float("nan"))


@pytest.mark.parametrize("change", [{"colour": "red"}, {"schema_version": 2}, {"status": "asleep"}])
def test_what_is_not_known_is_refused_with_file_and_field(tmp_path: Path, change: Any) -> None:
    path = tmp_path / "card.json"
    path.write_text(json.dumps(card().model_dump() | change))
    with pytest.raises(TornRecord, match=rf"card\.json: not a whole Card: {next(iter(change))}"):
        Card.read(path)


def test_a_card_torn_anywhere_is_told_from_one_that_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    with pytest.raises(FileNotFoundError):
        Card.read(path)
    assert Card.read_if_whole(path) is None
    whole = card().model_dump_json()
    for end in range(0, len(whole), 7):
        path.write_text(whole[:end])
        with pytest.raises(TornRecord, match=r"card\.json"):
            Card.read(path)
        assert Card.read_if_whole(path) is None


@pytest.fixture
def bundle(tmp_path: Path) -> BundlePaths:
    paths = BundlePaths(tmp_path)
    for path in paths.contents:
        path.write_bytes(path.name.encode())
    environment: dict[str, str | int] = dict.fromkeys(
        ("python", "torch", "numpy", "onnxruntime", "cpu", "cpu_capability", "device", "code_version"), ""
    )
    environment |= {"threads": 1, "precision": "float32"}
    ours = {"data_digest": "", "network_digest": "", "recipe_version": 1, "seed": 0}
    provenance = {
        **ours,
        "experiment": "",
        "spec_digest": "",
        "trial": "t",
        "key": "",
        "epochs": 1,
        "environment": environment,
    }
    tensor = {"name": "input", "datatype": "FP32", "shape": [-1, 3]}
    manifest = {
        "kind": "rows",
        "task": "regression",
        "inputs": [tensor],
        "outputs": [tensor],
        "labels": None,
        "objective_metric_name": "val_rmse",
        "metrics": {},
        "architecture": "",
        "config": {**ours, "params": {}, "validation_fraction": 0.2},
        "params": 1,
        "macs": 1,
        "latency": {"p50_ms": 1, "p95_ms": 1},
        "parity": {"rows": 1, "argmax_equal": None, "max_abs_difference": 0},
        "weights_sha256": "",
        "provenance": provenance,
        "files": {path.name: sha256_file(path) for path in paths.contents},
    }
    paths.manifest.write_text(json.dumps(manifest))
    return paths


def test_a_whole_bundle_has_no_problems(bundle: BundlePaths) -> None:
    assert check_digests(bundle) == []


def test_a_manifest_from_before_input_statistics_were_kept_is_read_without_them(bundle: BundlePaths) -> None:
    assert Manifest.read(bundle.manifest).input_statistics is None


def test_input_statistics_are_read_as_they_were_written(bundle: BundlePaths) -> None:
    statistics = {"mean": [0.1, -1e9, 1 / 3], "std": [0.0, 1e-30, 2.5], "count": 80}
    path = bundle.manifest
    path.write_text(json.dumps(json.loads(path.read_text()) | {"input_statistics": statistics}))
    Manifest.read(path).write(path)
    assert json.loads(path.read_text())["input_statistics"] == statistics


@pytest.mark.parametrize("wrong", [{"std": [-1.0]}, {"count": 0}, {"mean": [float("inf")]}])
def test_input_statistics_that_cannot_be_are_refused_by_name(bundle: BundlePaths, wrong: Any) -> None:
    path = bundle.manifest
    path.write_text(
        json.dumps(
            json.loads(path.read_text()) | {"input_statistics": {"mean": [0.0], "std": [1.0], "count": 1} | wrong}
        )
    )
    with pytest.raises(TornRecord, match=rf"input_statistics\.{next(iter(wrong))}"):
        Manifest.read(path)


def test_every_problem_of_a_bundle_is_named_at_once(bundle: BundlePaths) -> None:
    bundle.network.write_bytes(b"onnX")
    bundle.reference.unlink()
    first, second = check_digests(bundle)
    assert first.startswith("model.onnx: its sha256 is")
    assert second.startswith("reference.npz: cannot be read")


def test_a_manifest_may_not_leave_a_file_out_or_point_elsewhere(bundle: BundlePaths) -> None:
    manifest = json.loads(bundle.manifest.read_text())
    manifest["files"]["../secret"] = manifest["files"].pop("model.onnx")
    bundle.manifest.write_text(json.dumps(manifest))
    first, second = check_digests(bundle)
    assert "model.onnx is missing" in first
    assert "'../secret' does not belong" in second


def test_a_bundle_without_a_whole_manifest_is_refused(bundle: BundlePaths) -> None:
    bundle.manifest.write_text("{")
    assert "manifest.json: not a whole Manifest" in check_digests(bundle)[0]
    bundle.manifest.unlink()
    assert check_digests(bundle) == ["manifest.json: missing"]
