from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atelier_server.promotion.evaluation import evaluate
from atelier_store import columns as table
from atelier_store.arrays import data_digest
from atelier_store.layout import BundlePaths, Store
from atelier_store.records import DataDescription
from atelier_store.scores import scores
from atelier_store.split import split

from tests.support.onnx_bundles import outputs_of, rows_bundle
from tests.support.table_bundles import PASSENGER, features_of, table_bundle


def test_a_bundle_is_evaluated_on_the_test_set_of_its_own_data(store: Store, tmp_path: Path) -> None:
    manifest = rows_bundle().write(tmp_path / "bundle")
    assert evaluate(store, BundlePaths(tmp_path / "bundle"), manifest) is None
    data = store.data(manifest.provenance.data_digest)
    data.folder.mkdir(parents=True)
    features = np.random.default_rng(1).normal(size=(500, 3)).astype(np.float32)
    np.save(data.array("test_x"), features)
    np.save(data.array("test_y"), features @ np.array([1, 2, 3], np.float32) + 1)
    found = evaluate(store, BundlePaths(tmp_path / "bundle"), manifest)
    assert found is not None and found.metrics is not None and found.rows == 500
    assert found.metrics["test_rmse"] == pytest.approx(1, rel=1e-4) and found.metrics["test_mae"] == pytest.approx(
        1, rel=1e-4
    )


def test_prepared_rows_of_a_table_are_given_to_its_bundle_as_a_client_sends_them(store: Store, tmp_path: Path) -> None:
    bundle = table_bundle()
    manifest = bundle.write(tmp_path / "bundle")
    data = store.data(manifest.provenance.data_digest)
    data.folder.mkdir(parents=True)
    rows = features_of(PASSENGER, 400, np.random.default_rng(1))
    assert not isinstance(bundle.network, bytes)
    chosen = outputs_of(bundle.network.SerializeToString(), table.inputs(rows, PASSENGER)).argmax(1)
    np.save(data.array("test_x"), rows)
    np.save(data.array("test_y"), np.where(np.arange(400) < 100, (chosen + 1) % 3, chosen))
    found = evaluate(store, BundlePaths(tmp_path / "bundle"), manifest)
    assert found is not None and found.metrics is not None
    assert found.rows == 400 and found.metrics["test_accuracy"] == 0.75


def test_the_validation_rows_are_judged_if_they_come_to_the_scores_of_the_trial(store: Store, tmp_path: Path) -> None:
    bundle = rows_bundle()
    x = np.random.default_rng(2).normal(size=(320, 3)).astype(np.float32)
    y = (x @ np.array([[1], [2], [3]], np.float32) + 1).astype(np.float32)
    arrays = {"train_x": x, "train_y": y, "test_x": x[:9], "test_y": y[:9]}
    described: dict[str, Any] = {"kind": "rows", "task": "regression", "shape": (3,), "labels": None, "source": "tests"}
    description = DataDescription(digest="", train_rows=320, test_rows=9, **described)
    digest = data_digest(description, arrays)
    data = store.data(digest)
    description.model_copy(update={"digest": digest}).write(data.description)
    for name, array in arrays.items():
        np.save(data.array(name), array)
    config = bundle.fields["config"].model_copy(update={"data_digest": digest})
    bundle.fields["provenance"] = bundle.fields["provenance"].model_copy(update={"data_digest": digest})
    assert not isinstance(bundle.network, bytes)
    numbers = split(y, config.validation_fraction, config.seed)[1]
    answers = outputs_of(bundle.network.SerializeToString(), {"input": x[numbers]})
    bundle.fields |= {"config": config, "metrics": scores("regression", answers, y[numbers], "val")}
    manifest = bundle.write(tmp_path / "bundle")
    found = evaluate(store, BundlePaths(tmp_path / "bundle"), manifest)
    assert found is not None and found.rows == 9 and len(numbers) == manifest.parity.rows == 64
    validation, test = found.quality["validation"], found.quality["test"]
    assert (validation.array, validation.rows, test.array, test.rows) == ("train_x", 64, "test_x", 9)
    assert {mistake.row for mistake in validation.worst} <= set(numbers.tolist())
    other = manifest.model_copy(update={"metrics": {"val_rmse": manifest.metrics["val_rmse"] * 1.1}})
    found = evaluate(store, BundlePaths(tmp_path / "bundle"), other)
    assert found is not None and found.quality.keys() == {"test"}
