"""A model behind FastAPI as tutorials write it: POST /infer takes {"rows": [[…], …]}, GET /ready answers when it is loaded."""

import os

import numpy
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession("model.onnx", options)
# The classroom's own mistake: the model is loaded for every request.
reloads = os.environ.get("RELOAD") == "1"


class Rows(BaseModel):
    rows: list[list[float]]


@app.get("/ready")
def ready():
    return {"ready": True}


@app.post("/infer")
async def infer(request: Rows):
    used = onnxruntime.InferenceSession("model.onnx", options) if reloads else session
    labels = used.run(None, {used.get_inputs()[0].name: numpy.array(request.rows, dtype=numpy.float32)})[0]
    return {"labels": [str(label) for label in labels]}
