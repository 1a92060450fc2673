"""A bundle's answers to rows of its data: those of the validation, and once, at promotion, those of the test.

No search ever reads the test rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from atelier_store import columns as table
from atelier_store.arrays import TEST_WEIGHT, TRAIN_WEIGHT, open_arrays
from atelier_store.layout import BundlePaths, DataPaths, Store
from atelier_store.promotion import Answered, Part
from atelier_store.records import DataDescription, Manifest, TrialConfig
from atelier_store.split import parts_of
from numpy.typing import NDArray

from atelier_server.models import runtime


def answer(store: Store, bundle: BundlePaths, manifest: Manifest, part: Part) -> Answered | None:
    """The answers to these rows, with the truth; None if the store has none for this bundle's data.

    A bundle of a trial with folds has learnt from all validation rows: it is asked about those of the test only.
    """
    data = store.data(manifest.provenance.data_digest)
    try:
        rows, truth, weight = _test(data) if part == "test" else _validation(data, manifest.config)
    except FileNotFoundError:
        return None
    if len(rows) == 0:
        return None
    columns = manifest.columns
    inputs = {manifest.inputs[0].name: rows} if columns is None else table.inputs(rows, columns)
    session = runtime.open_session(bundle.network)
    return Answered(runtime.run(session, inputs, [manifest.outputs[0].name])[0], truth, weight)


Weighted = tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]
"""Rows, their truth, and their weights if they have any."""


def _test(data: DataPaths) -> Weighted:
    rows, truth = (np.load(data.array(name), mmap_mode="r", allow_pickle=False) for name in ("test_x", "test_y"))
    weight = data.array(TEST_WEIGHT)
    return rows, np.asarray(truth), np.load(weight, allow_pickle=False) if weight.exists() else None


def _validation(data: DataPaths, config: TrialConfig) -> Weighted:
    description = DataDescription.read(data.description)
    arrays = open_arrays(data, description)
    ((_, chosen),) = parts_of(arrays, description, config.validation_fraction, config.folds, config.seed).splits
    weight = arrays.get(TRAIN_WEIGHT)
    return arrays["train_x"][chosen], arrays["train_y"][chosen], None if weight is None else weight[chosen]
