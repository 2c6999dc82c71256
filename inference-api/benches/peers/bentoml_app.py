"""The same model in BentoML, one worker."""

import os

import bentoml
import numpy as np
import onnxruntime as ort


@bentoml.service(workers=1, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Onnx:
    def __init__(self):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    @bentoml.api(route="/predict")
    async def predict(self, features: list[float]) -> dict:
        label, probabilities = self.session.run(None, {"input": np.array([features], dtype=np.float32)})
        return {"label": int(label[0]), "probabilities": probabilities[0].tolist()}
