"""The limit: an ASGI function with msgspec and ONNX Runtime, and nothing else. No checks, no counters, no errors.

python raw.py NETWORK PORT WORKERS
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

import msgspec
import numpy as np
import onnxruntime as ort
import uvicorn


class Tensor(msgspec.Struct):
    """As the Open Inference Protocol has it."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any]


class Request(msgspec.Struct):
    """Likewise."""

    inputs: list[Tensor]


class Answer(msgspec.Struct):
    """Likewise."""

    model_name: str
    outputs: list[Tensor]


def serve(network: str, port: int) -> None:
    """Answer every request as an inference."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    decoder, encoder = msgspec.json.Decoder(Request), msgspec.json.Encoder()
    kind = (b"content-type", b"application/json")

    async def app(_: Any, receive: Any, send: Any) -> None:
        message = await receive()
        body = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        given = decoder.decode(body).inputs[0]
        array = np.frombuffer(bytes(given.data), np.uint8).reshape(given.shape)
        output = session.run(None, {"input": array})[0]
        answer = encoder.encode(
            Answer("digits", [Tensor("probabilities", "FP32", list(output.shape), output.ravel().tolist())])
        )
        headers = [kind, (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    listening = socket.create_server(("127.0.0.1", port), reuse_port=True, backlog=2048)
    config = uvicorn.Config(
        app, loop="uvloop", http="httptools", ws="none", lifespan="off", log_level="warning", access_log=False
    )
    uvicorn.Server(config).run([listening])


if __name__ == "__main__":
    for _ in range(int(sys.argv[3]) - 1):
        if not os.fork():
            break
    serve(sys.argv[1], int(sys.argv[2]))
