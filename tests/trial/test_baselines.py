"""Baselines: what a search of rows has to beat, on its own split and by its own metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atelier_store import baselines as stored
from atelier_store.arrays import data_digest
from atelier_store.layout import Store
from atelier_store.lease import Lease
from atelier_store.records import Baselines, Column, DataDescription
from atelier_store.scores import scores
from atelier_store.spec import Spec
from atelier_trial import baselines, data
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from tests.support.workplace import profile

pytestmark = pytest.mark.process  # scikit-learn asks lscpu for the cores, once for each process

WINE = {"source": "sklearn", "name": "wine"}
DIABETES = {"source": "sklearn", "name": "diabetes", "task": "regression"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def searching(of: dict[str, Any], metric: str = "val_loss", **trainer: Any) -> Spec:
    objective = {"type": "minimize", "objectiveMetricName": metric}
    return profile(data=of, experiment={"objective": objective}, **trainer)


def prepared(store: Store, spec: Spec) -> DataDescription:
    return data.prepare(spec.trainer.data, store, Path(), None, spec.trainer.seed)


def publish(store: Store, x: NDArray[np.float32], y: NDArray[Any], **fields: Any) -> DataDescription:
    """Prepared data with these training rows, which are the test rows, too."""
    arrays = {"train_x": x, "train_y": y, "test_x": x, "test_y": y}
    of: dict[str, Any] = {"kind": "rows", "shape": x.shape[1:], "train_rows": len(x), "test_rows": len(x), **fields}
    description = DataDescription(digest="", source="made", **of)
    description = description.model_copy(update={"digest": data_digest(description, arrays)})
    paths = store.data(description.digest)
    paths.folder.mkdir(parents=True)
    for name, array in arrays.items():
        np.save(paths.array(name), array)
    description.write(paths.description)
    return description


def read(store: Store, spec: Spec, description: DataDescription) -> Baselines:
    return Baselines.read(stored.path(store, spec, description.digest))


def test_the_trees_learn_from_the_search_s_training_rows_and_are_scored_on_its_validation_rows(store: Store) -> None:
    spec = searching(DIABETES, "val_rmse", seed=3)
    description = prepared(store, spec)
    baselines.ensure(store, spec, description)
    arrays = data.load(store, description)
    x, y = arrays.train_x, arrays.train_y
    ((training, validation),) = data.parts(arrays, description, 0.2, None, 3).splits
    trees = HistGradientBoostingRegressor(random_state=3).fit(x[training], y[training, 0])
    expected = scores("regression", trees.predict(x[validation]).reshape(-1, 1), y[validation], "val")
    found = read(store, spec, description)
    by_name = {baseline.name: baseline for baseline in found.baselines}
    assert list(by_name) == ["mean", "linear_regression", "hist_gradient_boosting"]
    assert by_name["hist_gradient_boosting"].metrics == pytest.approx(expected, rel=1e-6)
    assert by_name["mean"].metrics["val_rmse"] == pytest.approx(float(y[validation].std()), rel=0.1)
    assert by_name["linear_regression"].metrics["val_r2"] > 0.3
    assert {baseline.rows for baseline in found.baselines} == {len(training)}


def test_the_majority_is_the_most_frequent_class_and_the_others_beat_it(store: Store) -> None:
    spec = searching(WINE)
    description = prepared(store, spec)
    baselines.ensure(store, spec, description)
    arrays = data.load(store, description)
    y, ((_, validation),) = arrays.train_y, data.parts(arrays, description, 0.2, None, 0).splits
    by_name = {baseline.name: baseline.metrics for baseline in read(store, spec, description).baselines}
    most = np.bincount(y).argmax()
    assert by_name["majority"]["val_accuracy"] == pytest.approx((y[validation] == most).mean())
    for name in ("logistic_regression", "hist_gradient_boosting"):
        assert by_name[name]["val_accuracy"] > 0.9
        assert by_name[name]["val_loss"] < by_name["majority"]["val_loss"]


def test_weights_of_rows_count_in_what_is_learnt_and_in_its_scores(store: Store, tmp_path: Path) -> None:
    y = np.repeat([0, 1], [70, 30])
    x = np.random.default_rng(0).normal(size=(100, 2)) + y[:, None]
    np.savez(tmp_path / "rare.npz", x=x, y=y, w=np.where(y == 1, 10, 0.5))
    of = {"source": "npz", "files": {"train": {"path": str(tmp_path / "rare.npz")}}, "weight": "w"}
    spec = searching(of)
    description = prepared(store, spec)
    baselines.ensure(store, spec, description)
    by_name = {baseline.name: baseline.metrics["val_accuracy"] for baseline in read(store, spec, description).baselines}
    assert len(by_name) == 3
    assert by_name["majority"] > 0.8  # it is the second class, of 30 of 100 rows


def test_with_folds_each_is_the_mean_over_them_of_weighted_scores(store: Store, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 2))
    np.savez(tmp_path / "one.npz", x=x, y=x[:, 0], w=np.arange(60) + 1.0)
    of = {"source": "npz", "task": "regression", "files": {"train": {"path": str(tmp_path / "one.npz")}}, "weight": "w"}
    spec = searching(of | {"folds": 3}, "val_rmse")
    description = prepared(store, spec)
    baselines.ensure(store, spec, description)
    arrays, each = data.load(store, description), []
    weight, y = arrays.train_weight, arrays.train_y[:, 0].astype(np.float64)
    assert weight is not None
    for learnt, validation in data.parts(arrays, description, 0.2, 3, 0).splits:
        mean = np.average(y[learnt], weights=weight[learnt])
        each.append(np.average((y[validation] - mean) ** 2, weights=weight[validation]) ** 0.5)
    by_name = {baseline.name: baseline.metrics for baseline in read(store, spec, description).baselines}
    assert by_name["mean"]["val_rmse"] == pytest.approx(np.mean(each), rel=1e-5)


def test_classes_weigh_in_the_baselines_what_they_weigh_in_the_search(store: Store) -> None:
    description = prepared(store, searching(WINE))
    heavy = description.labels and description.labels[2]
    assert baselines.of_numbers({heavy or "": 9.0}, description) == {0: 1.0, 1: 1.0, 2: 9.0}
    assert baselines.of_numbers("none", description) is None


def test_they_are_trained_once_for_data_and_split_and_shared_by_searches_for_other_metrics(store: Store) -> None:
    description = prepared(store, searching(WINE))
    told: list[str] = []
    for metric in ("val_loss", "val_accuracy", "val_auc"):
        baselines.ensure(store, searching(WINE, metric), description, told.append)
    assert len(told) == 3
    baselines.ensure(store, searching(WINE, seed=1), description, told.append)
    assert len(told) == 6
    assert len(list(store.baselines.glob("*.json"))) == 2


def test_they_are_ordered_by_the_objective_and_left_out_where_it_is_not_theirs(store: Store) -> None:
    spec = searching(WINE)
    description = prepared(store, spec)
    assert stored.scores(store, spec, description.digest) == ()
    baselines.ensure(store, spec, description)
    values = [score.metric for score in stored.scores(store, spec, description.digest)]
    assert len(values) == 3
    assert values == sorted(values)
    assert stored.scores(store, searching(WINE, "train_loss"), description.digest) == ()


def test_gaps_empty_columns_categories_and_a_class_of_one_row_are_no_obstacle(store: Store) -> None:
    random = np.random.default_rng(0)
    colour, empty = random.integers(0, 6, 200), np.full(200, np.nan)
    number = np.where(random.random(200) < 0.3, np.nan, random.normal(0, 1, 200))
    x = np.stack([colour, number, empty], axis=1).astype(np.float32)
    y = (colour % 2).astype(np.int64)
    y[7] = 2
    names = ("colour", "number", "empty")
    columns = (
        Column(name="colour", kind="category", levels=tuple("abcd")),
        *(Column(name=name, kind="number") for name in names[1:]),
    )
    fields = {"task": "classification", "labels": ("even", "odd", "other"), "columns": columns, "feature_names": names}
    description = publish(store, x, y, **fields)
    spec = searching(WINE)
    baselines.ensure(store, spec, description)
    by_name = {baseline.name: baseline.metrics for baseline in read(store, spec, description).baselines}
    assert by_name.keys() == baselines.MODELS["classification"].keys()
    # odd and even level numbers: no model of numbers sees them, one of categories does
    assert by_name["logistic_regression"]["val_accuracy"] > 0.95
    assert by_name["hist_gradient_boosting"]["val_accuracy"] > 0.95


def test_labels_have_baselines_with_weights_or_without(store: Store, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(200, 2))
    y = np.stack([x[:, 0] > 0, x[:, 1] > 0], 1).astype(int)
    np.savez(tmp_path / "labels.npz", x=x, y=y, w=np.ones(200))
    of = {"source": "npz", "task": "multilabel", "files": {"train": {"path": str(tmp_path / "labels.npz")}}}
    for data_of in (of, of | {"weight": "w"}):
        spec = searching(data_of)
        description = prepared(store, spec)
        baselines.ensure(store, spec, description)
        by_name = {one.name: one.metrics["val_accuracy"] for one in read(store, spec, description).baselines}
        assert list(by_name) == ["majority", "logistic_regression", "hist_gradient_boosting"]
        assert by_name["logistic_regression"] > 0.8 > by_name["majority"]


def test_several_targets_have_baselines(store: Store) -> None:
    x = np.random.default_rng(0).normal(0, 1, (120, 3)).astype(np.float32)
    y = np.stack([x[:, 0], 100 * x[:, 1]], axis=1)
    description = publish(store, x, y, task="regression", labels=None)
    spec = searching(DIABETES, "val_rmse")
    baselines.ensure(store, spec, description)
    by_name = {baseline.name: baseline.metrics for baseline in read(store, spec, description).baselines}
    assert by_name["linear_regression"]["val_r2"] > 0.99 > by_name["hist_gradient_boosting"]["val_r2"] > 0.7


def test_of_many_rows_a_sample_is_learnt_from_and_its_size_is_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "MOST_VALUES", 3000)
    x = np.random.default_rng(0).normal(0, 1, (3000, 2)).astype(np.float32)
    description = publish(store, x, x[:, :1], task="regression", labels=None)
    spec = searching(DIABETES, "val_rmse")
    baselines.ensure(store, spec, description)
    assert {baseline.rows for baseline in read(store, spec, description).baselines} == {1500}


def test_pictures_have_none_and_what_is_stopped_leaves_none(store: Store) -> None:
    digits = searching({"source": "sklearn", "name": "digits", "limit": 100})
    baselines.ensure(store, digits, prepared(store, digits))
    spec = searching(WINE)
    asked = iter([False, True])
    baselines.ensure(store, spec, prepared(store, spec), stop=lambda: next(asked))
    assert not list(store.root.glob("baselines/*"))


def test_whoever_comes_second_does_not_wait(store: Store) -> None:
    spec = searching(WINE)
    description = prepared(store, spec)
    path = stored.path(store, spec, description.digest)
    told: list[str] = []
    with Lease.acquire(path.with_suffix(".lease"), "another"):
        baselines.ensure(store, spec, description, told.append)
    assert told == []
    assert not path.exists()
