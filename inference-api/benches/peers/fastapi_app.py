"""What most tutorials build: FastAPI, a model of pydantic, a session of ONNX Runtime."""

import os

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI
from pydantic import BaseModel

options = ort.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
app = FastAPI()


class Row(BaseModel):
    features: list[float]


def run(row):
    label, probabilities = session.run(None, {"input": np.array([row.features], dtype=np.float32)})
    return {"label": int(label[0]), "probabilities": probabilities[0].tolist()}


@app.post("/predict")
async def predict(row: Row):
    return run(row)


@app.post("/predict_in_threads")
def predict_in_threads(row: Row):
    return run(row)
