"""The client of the server that `atelier up` starts."""

from pathlib import Path

import numpy as np
import pytest
from atelier_cli.errors import CannotServe
from atelier_cli.serving import predict_samples
from atelier_store import columns as table
from atelier_store.layout import Store
from atelier_store.records import DataDescription

from tests.support.onnx_bundles import LABELS, outputs_of, publish
from tests.support.searches import Finished
from tests.support.server_process import serving
from tests.support.table_bundles import PASSENGER, features_of, table_bundle

pytestmark = pytest.mark.process


def test_a_server_that_gives_no_predictions_is_one_message(finished: Finished) -> None:
    (description,) = finished[0].glob("data/*/data.json")
    with pytest.raises(CannotServe, match=r"^http://127\.0\.0\.1:1/predict: .*[Cc]onnect"):
        predict_samples("http://127.0.0.1:1", Store(finished[0]), DataDescription.read(description))


def test_test_rows_of_a_table_are_asked_for_as_a_client_would(tmp_path: Path) -> None:
    """The prepared rows are features; what is sent are words, dates and gaps."""
    store, bundle = Store(tmp_path / "store"), table_bundle()
    publish(store, bundle, "passenger")
    rows = features_of(PASSENGER, 8, np.random.default_rng(5))
    description = DataDescription(
        digest="a" * 64,
        kind="rows",
        task="classification",
        shape=(rows.shape[1],),
        columns=PASSENGER,
        labels=LABELS,
        train_rows=8,
        test_rows=8,
        source="a test",
    )
    data = store.data(description.digest)
    data.folder.mkdir(parents=True)
    for part in ("train", "test"):
        np.save(data.array(f"{part}_x"), rows)
        np.save(data.array(f"{part}_y"), np.zeros(8, np.int64))
    assert not isinstance(bundle.network, bytes)
    expected = outputs_of(bundle.network.SerializeToString(), table.inputs(rows, PASSENGER))
    with serving(store, "passenger") as server:
        samples = predict_samples(server.url, store, description)
    assert [sample.prediction for sample in samples] == [LABELS[chosen] for chosen in expected.argmax(1)]
    assert [sample.probability for sample in samples] == pytest.approx(expected.max(1).tolist(), abs=1e-5)
