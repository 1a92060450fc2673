"""The client of the server that `atelier up` starts."""

import pytest
from atelier_cli.errors import CannotServe
from atelier_cli.serving import predict_samples
from atelier_store.layout import Store
from atelier_store.records import DataDescription

from tests.support.searches import Finished

pytestmark = pytest.mark.process


def test_a_server_that_gives_no_predictions_is_one_message(finished: Finished) -> None:
    (description,) = finished[0].glob("data/*/data.json")
    with pytest.raises(CannotServe, match=r"^http://127\.0\.0\.1:1/predict: .*[Cc]onnect"):
        predict_samples("http://127.0.0.1:1", Store(finished[0]), DataDescription.read(description))
