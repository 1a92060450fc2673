"""A bundle's scores on the test set, computed once, at promotion; no search ever reads the test set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from atelier_store.layout import Store
from atelier_store.records import Manifest

from atelier_server.models import runtime


def evaluate(store: Store, folder: Path, manifest: Manifest) -> tuple[dict[str, float], int] | None:
    """Test metrics and the number of test rows; None if the store has no test set for this bundle's data."""
    data = store.data(manifest.provenance.data_digest)
    try:
        inputs, targets = (
            np.load(data.array(name), mmap_mode="r", allow_pickle=False) for name in ("test_x", "test_y")
        )
    except FileNotFoundError:
        return None
    if len(inputs) == 0:
        return None
    session = runtime.open_session(folder / "model.onnx")
    outputs = runtime.run(session, {manifest.inputs[0].name: inputs}, [manifest.outputs[0].name])[0].astype(np.float64)
    score = classification if manifest.task == "classification" else regression
    return score(outputs, np.asarray(targets)), len(inputs)


def classification(probabilities: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Accuracy, macro F1 and mean log loss (natural logarithm) of probabilities (N, K) for class numbers (N,).

    F1 of a class that is neither in the targets nor predicted is left out of the mean.
    """
    classes = probabilities.shape[1]
    chosen = probabilities.argmax(axis=1)
    confusion = np.bincount(targets * classes + chosen, minlength=classes * classes).reshape(classes, classes)
    hits, seen = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    smallest = np.finfo(np.float32).tiny
    likelihood = np.clip(probabilities[np.arange(len(targets)), targets], smallest, None)
    return {
        "test_accuracy": float(np.mean(chosen == targets)),
        "test_macro_f1": float(np.mean(2 * hits[seen > 0] / seen[seen > 0])),
        "test_loss": float(-np.mean(np.log(likelihood))),
    }


def regression(predictions: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Root mean squared error, mean absolute error and R² of predictions (N, T) for targets (N,) or (N, T).

    R² is over all targets together and 0 where they do not vary.
    """
    targets = targets.reshape(predictions.shape).astype(np.float64)
    errors = predictions - targets
    spread = float(np.sum((targets - targets.mean(axis=0)) ** 2))
    return {
        "test_rmse": float(np.sqrt(np.mean(errors**2))),
        "test_mae": float(np.mean(np.abs(errors))),
        "test_r2": 1 - float(np.sum(errors**2)) / spread if spread else 0.0,
    }
