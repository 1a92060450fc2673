"""KServe's side: its Python server with a model of ours for the network.

python kserve_server.py NETWORK PORT WORKERS
"""

import sys

import onnxruntime as ort
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class OnnxModel(Model):
    """The network."""

    def __init__(self, name: str, network: str) -> None:
        super().__init__(name)
        self.network = network
        self.session = None
        self.load()

    def load(self) -> bool:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(self.network, options, providers=["CPUExecutionProvider"])
        self.ready = True
        return True

    async def predict(self, payload: InferRequest, *_: object, **__: object) -> InferResponse:
        array = payload.inputs[0].as_numpy()
        output = self.session.run(None, {"input": array})[0]
        answer = InferOutput(name="probabilities", datatype="FP32", shape=list(output.shape))
        answer.set_data_from_numpy(output, binary_data=False)
        return InferResponse(response_id=payload.id or "1", model_name=self.name, infer_outputs=[answer])


if __name__ == "__main__":
    server = ModelServer(http_port=int(sys.argv[2]), workers=int(sys.argv[3]), enable_grpc=False, access_log_format="")
    server.start([OnnxModel("digits", sys.argv[1])])
