"""A bundle's scores on the test set, computed once, at promotion; no search ever reads the test set."""

from __future__ import annotations

import numpy as np
from atelier_store import columns as table
from atelier_store.layout import BundlePaths, Store
from atelier_store.records import Manifest
from atelier_store.scores import scores

from atelier_server.models import runtime


def evaluate(store: Store, bundle: BundlePaths, manifest: Manifest) -> tuple[dict[str, float], int] | None:
    """Test metrics and the number of test rows; None if the store has no test set for this bundle's data."""
    data = store.data(manifest.provenance.data_digest)
    try:
        rows, targets = (np.load(data.array(name), mmap_mode="r", allow_pickle=False) for name in ("test_x", "test_y"))
    except FileNotFoundError:
        return None
    if len(rows) == 0:
        return None
    columns = manifest.columns
    inputs = {manifest.inputs[0].name: rows} if columns is None else table.inputs(rows, columns)
    session = runtime.open_session(bundle.network)
    outputs = runtime.run(session, inputs, [manifest.outputs[0].name])[0]
    return scores(manifest.task, outputs, np.asarray(targets), "test"), len(rows)
