from pathlib import Path

import numpy as np
from atelier_server.promotion.evaluation import answer
from atelier_store import columns as table
from atelier_store.layout import BundlePaths, Store
from atelier_store.scores import scores
from atelier_store.spec import Data
from atelier_trial.data import load, parts, prepare

from tests.support.onnx_bundles import outputs_of, rows_bundle
from tests.support.table_bundles import PASSENGER, features_of, table_bundle


def test_a_bundle_is_evaluated_on_the_test_set_of_its_own_data(store: Store, tmp_path: Path) -> None:
    manifest = rows_bundle().write(tmp_path / "bundle")
    assert answer(store, BundlePaths(tmp_path / "bundle"), manifest, "test") is None
    data = store.data(manifest.provenance.data_digest)
    data.folder.mkdir(parents=True)
    features = np.random.default_rng(1).normal(size=(500, 3)).astype(np.float32)
    np.save(data.array("test_x"), features)
    np.save(data.array("test_y"), features @ np.array([1, 2, 3], np.float32) + 1)
    found = answer(store, BundlePaths(tmp_path / "bundle"), manifest, "test")
    assert found is not None and len(found.truth) == 500
    np.testing.assert_allclose(found.answers - found.truth[:, None], -1, rtol=1e-4)


def test_a_bundle_answers_the_validation_rows_of_its_own_split(store: Store, tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    np.savez(tmp_path / "train.npz", x=x, y=x[:, 0])
    asked = {"source": "npz", "task": "regression", "files": {"train": {"path": "train.npz"}}}
    description = prepare(Data.model_validate(asked), store, tmp_path, None, seed=0)
    bundle = rows_bundle()
    bundle.fields["config"] = bundle.fields["config"].model_copy(update={"seed": 7})
    bundle.fields["provenance"] = bundle.fields["provenance"].model_copy(update={"data_digest": description.digest})
    manifest = bundle.write(tmp_path / "bundle")
    found = answer(store, BundlePaths(tmp_path / "bundle"), manifest, "validation")
    arrays = load(store, description)
    ((_, validation),) = parts(arrays, description, 0.2, None, 7).splits
    assert found is not None
    np.testing.assert_array_equal(found.truth, arrays.train_y[validation])
    expected = arrays.train_x[validation] @ np.array([1, 2, 3], np.float32)
    np.testing.assert_allclose(found.answers[:, 0], expected, rtol=1e-5)


def test_the_validation_rows_are_those_of_a_validation_file_with_their_weights(store: Store, tmp_path: Path) -> None:
    x, files = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32), {}
    for role, rows in (("train", slice(0, 30)), ("validation", slice(30, 42)), ("test", slice(42, 50))):
        np.savez(tmp_path / f"{role}.npz", x=x[rows], y=x[rows, 0], w=np.arange(50)[rows])
        files[role] = {"path": f"{role}.npz"}
    asked = {"source": "npz", "task": "regression", "files": files, "weight": "w"}
    description = prepare(Data.model_validate(asked), store, tmp_path, None, seed=0)
    bundle = rows_bundle()
    bundle.fields["provenance"] = bundle.fields["provenance"].model_copy(update={"data_digest": description.digest})
    found = answer(store, BundlePaths(tmp_path / "bundle"), bundle.write(tmp_path / "bundle"), "validation")
    assert found is not None and found.weight is not None
    np.testing.assert_array_equal(found.truth[:, 0], x[30:42, 0])
    assert found.weight.tolist() == list(range(30, 42))


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
    found = answer(store, BundlePaths(tmp_path / "bundle"), manifest, "test")
    assert found is not None
    assert scores(manifest.task, found.answers, found.truth, "test")["test_accuracy"] == 0.75
