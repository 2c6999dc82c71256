"""Saves the same model as MLflow's pyfunc, which `mlflow models serve` takes: MODEL=iris.onnx mlflow_model.py FOLDER"""

import os
import sys

import mlflow.pyfunc
import numpy as np


class Onnx(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(context.artifacts["model"], options, providers=["CPUExecutionProvider"])

    def predict(self, context, model_input, params=None):
        _, probabilities = self.session.run(None, {"input": np.asarray(model_input, dtype=np.float32)})
        return probabilities


mlflow.pyfunc.save_model(
    sys.argv[1], python_model=Onnx(), artifacts={"model": os.environ["MODEL"]}, pip_requirements=["onnxruntime", "numpy"]
)
