"""Good requests for both models, and whether a server is unharmed by bad ones."""

from typing import Any

from tests.support.onnx_bundles import image_bundle
from tests.support.server_process import Server, workers

PIXELS = image_bundle().inputs[:1]
ROW = [62.0, 3.0, 1.0]
GOOD = {"digits": {"instances": PIXELS.tolist()}, "house": {"instances": [ROW]}}
TENSORS = {
    "digits": {"name": "input", "datatype": "UINT8", "shape": [1, 8, 8], "data": PIXELS.ravel().tolist()},
    "house": {"name": "input", "datatype": "FP32", "shape": [1, 3], "data": ROW},
}
OUTPUTS = {"digits": "probabilities", "house": "prediction"}


def inference(model: str) -> dict[str, Any]:
    """A request of the Open Inference Protocol with every member that means something."""
    outputs = [{"name": OUTPUTS[model], "parameters": {"binary_data": False}}]
    return {
        "id": "a",
        "parameters": {"binary_data_output": False},
        "inputs": [{**TENSORS[model], "parameters": {}}],
        "outputs": outputs,
    }


def infer_path(model: str) -> str:
    return f"/v2/models/{model}/infer"


class unharmed:
    """Every worker is still there when the block is left, answers new clients, and has logged no traceback."""

    def __init__(self, server: Server, model: str = "digits") -> None:
        self._server, self._model = server, model

    def __enter__(self) -> None:
        self._workers, self._logged = workers(self._server), len(self._server.log)

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind:
            return
        for _ in range(4):
            self._server.alone("POST", "/predict", json=GOOD[self._model]).raise_for_status()
        assert workers(self._server) == self._workers
        assert "Traceback" not in self._server.log[self._logged :]
