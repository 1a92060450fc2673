from pathlib import Path

import numpy as np
import pytest
from atelier_server.promotion.evaluation import evaluate
from atelier_store import columns as table
from atelier_store.layout import BundlePaths, Store

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
    assert found is not None and found[1] == 500
    assert found[0]["test_rmse"] == pytest.approx(1, rel=1e-4) and found[0]["test_mae"] == pytest.approx(1, rel=1e-4)


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
    assert found is not None and found[1] == 400 and found[0]["test_accuracy"] == 0.75
