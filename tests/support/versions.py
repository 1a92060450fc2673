"""Versions of one model that are swapped under load, and the request that tells them apart."""

import json

import numpy as np
import onnxruntime as ort
from atelier_store.layout import Store

from tests.support.onnx_bundles import image_bundle, place, point

PIXELS = image_bundle().inputs[:1]
REQUEST_BODY = json.dumps({"instances": PIXELS.tolist()}).encode()
REQUEST = (
    b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    % len(REQUEST_BODY)
    + REQUEST_BODY
)


class Versions:
    """Versions of a model, and whether an answer is the one that belongs to the version which it names."""

    def __init__(self, store: Store, count: int) -> None:
        self._store = store
        self.placed = [place(store, image_bundle(seed)) for seed in range(1, count + 1)]
        self._known: dict[bytes, str] = {}
        self.point(0)

    def point(self, number: int) -> str:
        """Make it the current one."""
        version, digest = self.placed[number % len(self.placed)]
        point(self._store, "digits", version, digest)
        return version

    def verdict(self, body: bytes) -> str | None:
        """The version that gave this answer; None if it is wrong. Equal bytes are checked once."""
        if body not in self._known:
            answer = json.loads(body)
            if not np.allclose(
                list(answer["predictions"][0]["probabilities"].values()), self._expected(answer["version"]), rtol=1e-5
            ):
                return None
            self._known[body] = answer["version"]
        return self._known[body]

    def _expected(self, version: str) -> np.ndarray:
        network = self._store.model("digits").version(version).network
        session = ort.InferenceSession(network, providers=["CPUExecutionProvider"])
        row: np.ndarray = session.run(None, {"input": PIXELS})[0][0]
        return row
