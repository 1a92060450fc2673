"""A bundle's answers to rows of its data: those of the validation, and once, at promotion, those of the test.

No search ever reads the test rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from atelier_store import columns as table
from atelier_store import out_of_fold
from atelier_store.answers import Answered
from atelier_store.arrays import TEST_WEIGHT, TRAIN_WEIGHT, open_arrays
from atelier_store.layout import BundlePaths, DataPaths, Store
from atelier_store.records import DataDescription, Manifest, Part, TrialConfig
from atelier_store.split import parts_of
from numpy.typing import NDArray

from atelier_server.models import runtime

AT_ONCE = 4096
"""Rows that go through the network at once; a test set may be larger than memory."""


def answer(store: Store, bundle: BundlePaths, manifest: Manifest, part: Part) -> Answered | None:
    """The answers to these rows, with the truth; None if the store has none for this bundle's data.

    A bundle of a trial with folds has learnt from all validation rows: the networks of the folds have answered those.
    Nobody has for what was retrained.
    """
    if part == "validation" and manifest.config.retrained_epochs is not None:
        return None
    data = store.data(manifest.provenance.data_digest)
    try:
        if part == "validation" and manifest.config.folds is not None:
            return _out_of_fold(store, data, manifest)
        x, y, weight, rows = _test(data) if part == "test" else _validation(data, manifest.config)
    except FileNotFoundError:
        return None
    if not len(rows):
        return None
    answers = _answers(bundle, manifest, x, rows)
    return Answered(
        answers, y[rows], "test_x" if part == "test" else "train_x", rows, None if weight is None else weight[rows]
    )


Rows = tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None, NDArray[np.int64]]
"""Inputs, their truth and weights, mapped from their files, and the numbers of the rows that are meant."""


def _test(data: DataPaths) -> Rows:
    x, y = (np.load(data.array(name), mmap_mode="r", allow_pickle=False) for name in ("test_x", "test_y"))
    weight = data.array(TEST_WEIGHT)
    return x, y, np.load(weight, allow_pickle=False) if weight.exists() else None, np.arange(len(x), dtype=np.int64)


def _validation(data: DataPaths, config: TrialConfig) -> Rows:
    description = DataDescription.read(data.description)
    arrays = open_arrays(data, description)
    ((_, rows),) = parts_of(arrays, description, config.validation_fraction, None, config.seed).splits
    return arrays["train_x"], arrays["train_y"], arrays.get(TRAIN_WEIGHT), rows


def _out_of_fold(store: Store, data: DataPaths, manifest: Manifest) -> Answered | None:
    """What the networks of the folds answered, as the trial has kept it beside this bundle."""
    found = out_of_fold.read(store.trial(manifest.config.key).out_of_fold, manifest.weights_sha256)
    if found is None:
        return None
    arrays = open_arrays(data, DataDescription.read(data.description))
    weight = arrays.get(TRAIN_WEIGHT)
    of_rows = None if weight is None else weight[found.rows]
    return Answered(found.answers, arrays["train_y"][found.rows], "train_x", found.rows, of_rows)


def _answers(bundle: BundlePaths, manifest: Manifest, x: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """The network's first output for these rows of an array."""
    session, columns = runtime.open_session(bundle.network), manifest.columns
    found = []
    for at in range(0, len(rows), AT_ONCE):
        some = x[rows[at : at + AT_ONCE]]
        inputs = {manifest.inputs[0].name: some} if columns is None else table.inputs(some, columns)
        found += runtime.run(session, inputs, [manifest.outputs[0].name])
    return np.concatenate(found)
