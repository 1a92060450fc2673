"""KServe's side: its Python server with a model of ours for the network.

python kserve_server.py NETWORK PORT WORKERS
"""

import sys

import onnxruntime as ort
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class OnnxModel(Model):
    """The network, opened by the process that runs it: KServe hands the model over to its workers."""

    def __init__(self, name: str, network: str) -> None:
        super().__init__(name)
        self.network, self.session, self.ready = network, None, True

    async def predict(self, payload: InferRequest, *_: object, **__: object) -> InferResponse:
        if self.session is None:
            options = ort.SessionOptions()
            options.intra_op_num_threads = 1
            self.session = ort.InferenceSession(self.network, options, providers=["CPUExecutionProvider"])
        output = self.session.run(None, {"input": payload.inputs[0].as_numpy()})[0]
        answer = InferOutput(name="probabilities", datatype="FP32", shape=list(output.shape))
        answer.set_data_from_numpy(output, binary_data=False)
        return InferResponse(response_id=payload.id or "1", model_name=self.name, infer_outputs=[answer])


if __name__ == "__main__":
    server = ModelServer(http_port=int(sys.argv[2]), workers=int(sys.argv[3]), enable_grpc=False, access_log_format="")
    server.start([OnnxModel("digits", sys.argv[1])])
