"""The same model in LitServe, one worker, no batches."""

import os
import sys

import litserve
import numpy as np
import onnxruntime as ort


class Model(litserve.LitAPI):
    def setup(self, device):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    def decode_request(self, request):
        return np.array([request["features"]], dtype=np.float32)

    def predict(self, row):
        return self.session.run(None, {"input": row})

    def encode_response(self, output):
        label, probabilities = output
        return {"label": int(label[0]), "probabilities": probabilities[0].tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Model(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, log_level="warning")
