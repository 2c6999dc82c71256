"""The same model in MLServer, in the server's own process."""

import os

import numpy as np
import onnxruntime as ort
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Onnx(MLModel):
    async def load(self):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        row = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32, copy=False)
        names = [output.name for output in self.session.get_outputs()]
        values = self.session.run(None, {"input": row})
        outputs = [NumpyCodec.encode_output(name, np.asarray(value)) for name, value in zip(names, values)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
