from pathlib import Path

import numpy as np
import pytest
from atelier_server.promotion.evaluation import classification, evaluate, regression
from atelier_store.layout import BundlePaths, Store

from tests.support.onnx_bundles import rows_bundle


def test_classification_counts_what_is_right() -> None:
    probabilities = np.array([[0.8, 0.2, 0.0], [0.6, 0.4, 0.0], [0.5, 0.5, 0.0], [0.1, 0.9, 0.0]])
    found = classification(probabilities, np.array([0, 1, 0, 1]))
    assert found["test_accuracy"] == 0.75
    assert found["test_macro_f1"] == pytest.approx((2 * 2 / 5 + 2 * 1 / 3) / 2)  # the third class is nowhere
    assert found["test_loss"] == pytest.approx(-np.log([0.8, 0.4, 0.5, 0.9]).mean())


def test_a_certain_mistake_has_a_finite_loss() -> None:
    assert np.isfinite(classification(np.array([[1.0, 0.0]]), np.array([1]))["test_loss"])


def test_regression_measures_errors_and_what_they_explain() -> None:
    found = regression(np.array([[1.0], [2.0], [5.0]]), np.array([1.0, 2.0, 3.0]))
    assert found["test_rmse"] == pytest.approx(np.sqrt(4 / 3))
    assert found["test_mae"] == pytest.approx(2 / 3)
    assert found["test_r2"] == pytest.approx(1 - 4 / 2)
    assert regression(np.zeros((2, 1)), np.ones(2))["test_r2"] == 0.0


def test_a_bundle_is_evaluated_on_the_test_set_of_its_own_data(store: Store, tmp_path: Path) -> None:
    manifest = rows_bundle().write(tmp_path / "bundle")
    assert evaluate(store, BundlePaths(tmp_path / "bundle"), manifest) is None
    data = store.data(manifest.provenance.data_digest)
    data.folder.mkdir(parents=True)
    features = np.random.default_rng(1).normal(size=(500, 3)).astype(np.float32)
    np.save(data.array("test_x"), features)
    np.save(data.array("test_y"), features @ np.array([1, 2, 3], np.float32) + 1)
    found = evaluate(store, BundlePaths(tmp_path / "bundle"), manifest)
    assert found is not None and found[1] == 500
    assert found[0]["test_rmse"] == pytest.approx(1, rel=1e-4) and found[0]["test_mae"] == pytest.approx(1, rel=1e-4)
