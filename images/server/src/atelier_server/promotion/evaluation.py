"""A bundle's answers to the validation and the test rows, computed once, at promotion; no search reads the test set."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from atelier_store import arrays
from atelier_store import columns as table
from atelier_store.layout import BundlePaths, DataPaths, Store
from atelier_store.promotion import Evaluation
from atelier_store.quality import quality
from atelier_store.records import DataDescription, Manifest, Part, Quality
from atelier_store.scores import scores
from atelier_store.split import split
from numpy.typing import NDArray

from atelier_server.models import runtime

AT_ONCE = 4096
"""Rows that go through the network at once; a test set may be larger than memory."""

RELATIVE, ABSOLUTE = 2e-2, 2e-3
"""How far a score of the validation rows may be from the trial's: of another runtime, and fewer bits perhaps."""

log = logging.getLogger(__name__)


def evaluate(store: Store, bundle: BundlePaths, manifest: Manifest) -> Evaluation | None:
    """Scores on the test rows, if the store has any, and where the bundle errs on these and on the validation rows.

    None if the store has neither for this bundle's data.
    """
    data = store.data(manifest.provenance.data_digest)
    test, validation = _array_pair(data, "test"), _validation(data, manifest)
    found: dict[Part, Quality] = {}
    if validation is not None:
        x, y, rows = validation
        answers = _answers(bundle, manifest, x, rows)
        if _is_as_in_training(manifest, answers, y[rows]):
            _keep(found, "validation", quality(manifest.task, answers, y[rows], "train_x", rows))
    if test is None:
        return Evaluation(None, 0, found) if found else None
    answers, truth = _answers(bundle, manifest, test[0]), np.asarray(test[1])
    _keep(found, "test", quality(manifest.task, answers, truth, "test_x"))
    return Evaluation(scores(manifest.task, answers, truth, "test"), len(truth), found)


def _keep(found: dict[Part, Quality], part: Part, one: Quality | None) -> None:
    if one is not None:
        found[part] = one


def _array_pair(data: DataPaths, part: str) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Inputs and targets, mapped from their files; None if there are none, or no rows in them."""
    try:
        x, y = (np.load(data.array(f"{part}_{name}"), mmap_mode="r", allow_pickle=False) for name in "xy")
    except FileNotFoundError:
        return None
    return (x, y) if len(x) else None


def _validation(data: DataPaths, manifest: Manifest) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]] | None:
    """The training arrays, and which of their rows a trial validates with; None if the store has not all it takes."""
    description, pair = DataDescription.read_if_whole(data.description), _array_pair(data, "train")
    if description is None or pair is None:
        return None
    config, by = manifest.config, description.split
    try:
        order = np.load(data.array(arrays.ORDER), allow_pickle=False) if by and by.is_ordered else None
    except FileNotFoundError:
        return None
    x, y = pair[0], np.asarray(pair[1])
    return x, y, split(y, config.validation_fraction, config.seed, by=by.by if by else None, order=order)[1]


def _answers(
    bundle: BundlePaths, manifest: Manifest, x: NDArray[Any], numbers: NDArray[np.int64] | None = None
) -> NDArray[Any]:
    """The network's first output for every row of an array, or for those of these numbers."""
    session, columns = runtime.open_session(bundle.network), manifest.columns
    numbers = np.arange(len(x)) if numbers is None else numbers
    found = []
    for at in range(0, len(numbers), AT_ONCE):
        rows = x[numbers[at : at + AT_ONCE]]
        inputs = {manifest.inputs[0].name: rows} if columns is None else table.inputs(rows, columns)
        found += runtime.run(session, inputs, [manifest.outputs[0].name])
    return np.concatenate(found)


def _is_as_in_training(manifest: Manifest, answers: NDArray[Any], truth: NDArray[Any]) -> bool:
    """Whether these are the rows that the trial was validated with: as many, and with the scores that it wrote."""
    found, known = scores(manifest.task, answers, truth, "val"), manifest.metrics
    names = found.keys() & known.keys() & {manifest.objective_metric_name, "val_loss"}
    is_same = len(truth) == manifest.parity.rows and all(
        np.isclose(found[name], known[name], RELATIVE, ABSOLUTE) for name in names
    )
    if not is_same:
        log.warning("the validation rows of this trial are not those of its data, split and seed; none are judged")
    return is_same
