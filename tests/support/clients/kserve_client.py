"""What KServe's published client requests and gets: python kserve_client.py URL prints what it got, as JSON."""

import asyncio
import json
import sys
from typing import Any

import numpy as np
from httpx import HTTPStatusError
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

URL = sys.argv[1]
given = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


def request(binary_in: bool, binary_out: bool, name: str = "input") -> InferRequest:
    tensor = InferInput(name, list(given.shape), "FP32")
    tensor.set_data_from_numpy(given, binary_data=binary_in)
    wanted = [RequestedOutput("prediction", parameters={"binary_data": binary_out})]
    return InferRequest(model_name="house", infer_inputs=[tensor], request_outputs=wanted, request_id="7")


async def main() -> dict[str, Any]:
    client = InferenceRESTClient(RESTConfig(protocol="v2"))

    async def infer(binary_in: bool, binary_out: bool) -> list[list[float]]:
        answer = await client.infer(URL, request(binary_in, binary_out), model_name="house")
        assert answer.id == "7"
        return answer.outputs[0].as_numpy().tolist()

    async def refused() -> str:
        try:
            await client.infer(URL, request(False, False, "other"), model_name="house")
        except HTTPStatusError as error:
            return error.response.json()["error"]
        return ""

    return {
        "live": await client.is_server_live(URL),
        "ready": await client.is_server_ready(URL),
        "model ready": await client.is_model_ready(URL, "house"),
        "other ready": await client.is_model_ready(URL, "other"),
        "answers": [await infer(i, o) for i in (True, False) for o in (True, False)],
        "refused": await refused(),
    }


sys.stdout.write(json.dumps(asyncio.run(main())))
