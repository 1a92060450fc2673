"""Baselines of rows, by scikit-learn: the majority or the mean, a linear model, and gradient-boosted trees.

They learn from the training rows of a search and are scored on its validation rows, by the one definition of scores. A
gap is a value of its own for the trees; for the linear model it is the median, with an indicator beside it.
"""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from atelier_store import baselines, columns
from atelier_store.clock import now
from atelier_store.layout import Store
from atelier_store.lease import Lease, LeaseHeld
from atelier_store.records import Baseline, Baselines, DataDescription
from atelier_store.scores import mean_scores, scores
from atelier_store.spec import ClassWeights, Spec
from numpy.typing import NDArray

from atelier_trial import data

log = logging.getLogger("atelier.baselines")

MOST_VALUES = 10_000_000
"""Features times rows times classes that a baseline learns from, to bound its time and memory: of more, a sample."""

Weights = dict[int, float] | str | None
"""Class weights as scikit-learn takes them."""

MOST_LEVELS = 254
"""Of a category that the trees split as one (scikit-learn allows 255 bins, one of them for gaps)."""


def ensure(
    store: Store,
    spec: Spec,
    description: DataDescription,
    progress: Callable[[str], object] = log.info,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Train the baselines of rows, unless the store has them or another process is at it; progress is told each.

    Nothing is kept if stop() is true before the last is trained.
    """
    path = baselines.path(store, spec, description.digest)
    if description.kind != "rows" or Baselines.read_if_whole(path) is not None:
        return
    try:
        with Lease.acquire(path.with_suffix(".lease"), f"baselines of {description.source}"):
            trained = []
            for name, make in MODELS[description.task].items():
                if stop():
                    return
                progress(f"training a baseline: {name} …")
                if (baseline := _trained(store, spec, description, name, make)) is not None:
                    trained.append(baseline)
            _record(spec, description, trained).write(path)
    except LeaseHeld as error:
        log.info("%s is at it", error)


def _record(spec: Spec, description: DataDescription, trained: list[Baseline]) -> Baselines:
    from sklearn import __version__

    return Baselines(
        recipe_version=baselines.RECIPE_VERSION,
        data_digest=description.digest,
        validation_fraction=spec.trainer.data.validation_fraction,
        folds=spec.trainer.data.folds,
        seed=spec.trainer.seed,
        class_weights=spec.trainer.class_weights,
        baselines=tuple(trained),
        library=f"scikit-learn {__version__}",
        made_at=now(),
    )


def _trained(
    store: Store, spec: Spec, description: DataDescription, name: str, make: Callable[..., Any]
) -> Baseline | None:
    """A baseline with its scores; None, with a line in the log, if scikit-learn refuses these data."""
    arrays, of, seed = data.load(store, description), spec.trainer.data, spec.trainer.seed
    x, y, weight = arrays.train_x, arrays.train_y, arrays.train_weight
    classes = len(description.labels or ())
    width = x.shape[1] * max(1, classes)
    splits = data.parts(arrays, description, of.validation_fraction, of.folds, seed).splits
    samples = [(_sample(training, width, seed), validation) for training, validation in splits]
    started = time.monotonic()
    each = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a linear model that has not converged, or a column of gaps
            for rows, validation in samples:
                known, asked = _without_empty(x[rows], x[validation])
                untrained = make(_kinds(description), of_numbers(spec.trainer.class_weights, description), seed)
                model = _fitted(untrained, known, y[rows], None if weight is None else weight[rows])
                told = of_labels(model, asked) if description.task == "multilabel" else answers(model, asked, classes)
                of_validation = None if weight is None else weight[validation]
                each.append(scores(description.task, told, y[validation], "val", of_validation))
    except (ValueError, MemoryError) as error:
        log.warning("no baseline %s: %s", name, error)
        return None
    finite = {metric: value for metric, value in mean_scores(each).items() if math.isfinite(value)}
    return Baseline(name=name, metrics=finite, rows=len(samples[0][0]), seconds=round(time.monotonic() - started, 3))


def _sample(rows: NDArray[np.int64], width: int, seed: int) -> NDArray[np.int64]:
    """At most MOST_VALUES / width of the rows, in their order."""
    most = max(1000, MOST_VALUES // width)
    if len(rows) <= most:
        return rows
    return np.sort(np.random.RandomState(seed).permutation(rows)[:most])


def _without_empty(known: NDArray[Any], asked: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both with 0 for features that have no value in any row to learn from, which scikit-learn's trees refuse."""
    empty = np.isnan(known).all(axis=0)
    return np.where(empty, 0, known), np.where(empty, 0, asked)


def _kinds(description: DataDescription) -> NDArray[np.int64]:
    """For each feature the number of its levels; 0: it is a number."""
    if description.columns is None:
        return np.zeros(description.shape[0], dtype=np.int64)
    return np.array(
        [
            columns.FIRST_LEVEL + len(column.levels) if column.kind == "category" else 0
            for column, place in zip(description.columns, columns.places(description.columns), strict=True)
            for _ in range(place.start, place.stop)
        ]
    )


def boosted_trees(description: DataDescription, class_weights: ClassWeights, seed: int) -> Any:
    """The untrained trees of the baseline, which know the categories and gaps of these rows."""
    weights = of_numbers(class_weights, description)
    return MODELS[description.task]["hist_gradient_boosting"](_kinds(description), weights, seed)


def of_numbers(class_weights: ClassWeights, description: DataDescription) -> Weights:
    """Class weights as scikit-learn takes them: by class number."""
    if isinstance(class_weights, dict):
        return {number: class_weights.get(label, 1.0) for number, label in enumerate(description.labels or ())}
    return "balanced" if class_weights == "balanced" else None


def _fitted(model: Any, x: NDArray[Any], y: NDArray[Any], weight: NDArray[Any] | None) -> Any:
    """The model, trained; of a pipeline the last step is told the weights."""
    if weight is None:
        return model.fit(x, y)
    steps = getattr(getattr(model, "estimator", model), "steps", None)
    prefix = f"{steps[-1][0]}__" if steps else ""
    return model.fit(x, y, **{f"{prefix}sample_weight": weight})


def answers(model: Any, x: NDArray[Any], classes: int) -> NDArray[np.float64]:
    """Probabilities (N, classes), 0 for a class that is not among the rows learnt from; or targets (N, T)."""
    if not classes:
        return np.asarray(model.predict(x), dtype=np.float64).reshape(len(x), -1)
    answers = np.zeros((len(x), classes))
    answers[:, model.classes_] = model.predict_proba(x)
    return answers


def of_labels(model: Any, x: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities (N, T) of labels, of a model for each; that of the only value where a label did not vary."""
    columns = []
    for one in model.estimators_:
        values = list(one.classes_)
        columns.append(one.predict_proba(x)[:, values.index(1)] if 1 in values else np.zeros(len(x)))
    return np.stack(columns, axis=1)


# the models, each for the levels of its features


def _majority(_: NDArray[np.int64], __: Weights, ___: int) -> Any:
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="prior")


def _mean(_: NDArray[np.int64], __: Weights, ___: int) -> Any:
    from sklearn.dummy import DummyRegressor

    return DummyRegressor()


def _logistic(kinds: NDArray[np.int64], class_weights: Weights, _: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(*_prepared(kinds), LogisticRegression(max_iter=200, class_weight=class_weights))


def _linear(kinds: NDArray[np.int64], _: Weights, __: int) -> Any:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    return make_pipeline(*_prepared(kinds), Ridge())  # least squares, which one-hot columns leave without one answer


def _boosting_classifier(kinds: NDArray[np.int64], class_weights: Weights, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        categorical_features=_as_categories(kinds), class_weight=class_weights, random_state=seed
    )


def _boosting_regressor(kinds: NDArray[np.int64], _: Weights, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.multioutput import MultiOutputRegressor

    one = HistGradientBoostingRegressor(categorical_features=_as_categories(kinds), random_state=seed)
    return MultiOutputRegressor(one)


def _for_each_label(model: Any) -> Any:
    from sklearn.multioutput import MultiOutputClassifier

    return MultiOutputClassifier(model)


MODELS: dict[str, dict[str, Callable[[NDArray[np.int64], Weights, int], Any]]] = {
    "classification": {
        "majority": _majority,
        "logistic_regression": _logistic,
        "hist_gradient_boosting": _boosting_classifier,
    },
    "multilabel": {
        "majority": lambda *given: _for_each_label(_majority(*given)),
        "logistic_regression": lambda *given: _for_each_label(_logistic(*given)),
        "hist_gradient_boosting": lambda *given: _for_each_label(_boosting_classifier(*given)),
    },
    "regression": {"mean": _mean, "linear_regression": _linear, "hist_gradient_boosting": _boosting_regressor},
}


def _as_categories(kinds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which features are categories of few enough levels; of the others the trees take the level for a number."""
    return (kinds > 0) & (kinds <= MOST_LEVELS)


def _prepared(kinds: NDArray[np.int64]) -> Iterator[Any]:
    """What makes complete and scaled numbers of features (N, F)."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    categories = OneHotEncoder(handle_unknown="ignore", max_categories=MOST_LEVELS)
    yield make_column_transformer((numbers, np.flatnonzero(kinds == 0)), (categories, np.flatnonzero(kinds)))
