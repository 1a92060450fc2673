"""What Triton's published client asks for and gets: python triton.py URL; the last line is what it got, as JSON."""

import json
import sys

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

client = InferenceServerClient(sys.argv[1].removeprefix("http://"))
given = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
metadata = client.get_model_metadata("house")
version = metadata["versions"][0]


def infer(binary_in: bool, binary_out: bool, model_version: str = "", **more: object) -> list[list[float]]:
    tensor = InferInput("input", list(given.shape), "FP32")
    tensor.set_data_from_numpy(given, binary_data=binary_in)
    wanted = [InferRequestedOutput("prediction", binary_data=binary_out)]
    answer = client.infer("house", [tensor], outputs=wanted, model_version=model_version, request_id="7", **more)
    assert answer.get_response()["id"] == "7"
    return answer.as_numpy("prediction").tolist()


def refused() -> str:
    try:
        client.infer("house", [InferInput("other", [1, 3], "FP32").set_data_from_numpy(given[:1])])
    except InferenceServerException as error:
        return error.message()
    return ""


tensor = InferInput("input", list(given.shape), "FP32").set_data_from_numpy(given)
sys.stdout.write(
    json.dumps(
        {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model ready": client.is_model_ready("house"),
            "version ready": client.is_model_ready("house", version),
            "other ready": client.is_model_ready("other"),
            "extensions": client.get_server_metadata()["extensions"],
            "inputs": metadata["inputs"],
            "answers": [infer(i, o, v) for i in (True, False) for o in (True, False) for v in ("", version)],
            "all outputs": client.infer("house", [tensor]).as_numpy("prediction").tolist(),
            "parameters": infer(True, True, priority=1, timeout=5_000_000, parameters={"mine": "x"}),
            "asynchronous": client.async_infer("house", [tensor]).get_result().as_numpy("prediction").tolist(),
            "refused": refused(),
        }
    )
)
