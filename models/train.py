#!/usr/bin/env python3
"""Train the demo models and write, for each, an ONNX file and its sidecar JSON.

    python train.py                    # all models, written next to this script
    python train.py iris --out /tmp/x  # one model, written somewhere else

Nothing is downloaded: the data ships inside the packages of requirements.txt. Seeds are fixed
and everything runs on one thread, so a second run writes the same bytes.
"""

import os

# Must be set before numpy is imported: one thread, and on x86-64 the same (AVX2) kernels whatever
# the processor, so that sums are always added in one order.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell"}

import argparse
import json
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from palmerpenguins import load_penguins
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

SEED = 0
TEST_SHARE = 0.2
REFERENCE_ROWS = 20
OPSETS = {"": 17, "ai.onnx.ml": 3}
IR_VERSION = 8
PACKAGES = ["scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy"]


@dataclass
class Trained:
    """A fitted estimator with everything needed to export and to describe it."""

    name: str
    description: str
    data: str
    estimator: object
    inputs: list  # ONNX inputs: [(name, skl2onnx type)]
    features: list  # sidecar feature descriptions, in row order
    classes: list  # class names, in the order of the probabilities
    example: list  # the first row of the data, for people to try
    x_test: object  # array, or data frame when there is one input per column
    y_test: object
    packages: list = field(default_factory=list)


def feature(name, kind="float", nullable=False, unit=None):
    """One entry of the sidecar's `features`."""
    entry = {"name": name, "type": kind, "nullable": nullable}
    return entry | ({"unit": unit} if unit else {})


def split(x, y):
    """Stratified split into training and held-out test data."""
    return train_test_split(x, y, test_size=TEST_SHARE, stratify=y, random_state=SEED)


def train_iris():
    """Logistic regression on the four iris measurements."""
    iris = load_iris()
    x_train, x_test, y_train, y_test = split(iris.data.astype(np.float32), iris.target)
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    return Trained(
        name="iris",
        description="Species of an iris flower from four measurements (logistic regression).",
        data="Iris, as shipped in scikit-learn (sklearn.datasets.load_iris), 150 rows",
        estimator=LogisticRegression(max_iter=1000, random_state=SEED).fit(x_train, y_train),
        inputs=[("input", FloatTensorType([None, 4]))],
        features=[feature(name, unit="cm") for name in names],
        classes=[str(name) for name in iris.target_names],
        example=json_rows(iris.data[:1])[0],
        x_test=x_test,
        y_test=y_test,
    )


def train_penguins():
    """Random forest on the Palmer penguins, preprocessing included.

    A missing measurement is NaN and becomes the median of the training data. A missing sex is the
    empty string, which the encoder knows as a category of its own. Strings it does not know (say,
    another island) encode to all zeros.
    """
    numbers = {
        "bill_length_mm": "mm", "bill_depth_mm": "mm", "flipper_length_mm": "mm", "body_mass_g": "g",
    }
    strings = ["island", "sex"]
    columns = ["island", *numbers, "sex"]
    table = load_penguins()
    frame = table[columns].astype({name: np.float32 for name in numbers} | {"island": object})
    frame["sex"] = table["sex"].astype(object).fillna("")
    x_train, x_test, y_train, y_test = split(frame, table["species"].astype(object))
    preprocessing = ColumnTransformer([
        ("strings", OneHotEncoder(handle_unknown="ignore", sparse_output=False), strings),
        ("numbers", SimpleImputer(strategy="median"), list(numbers)),
    ])
    forest = RandomForestClassifier(
        n_estimators=100, max_depth=10, min_samples_leaf=2, random_state=SEED, n_jobs=1
    )
    model = make_pipeline(preprocessing, forest).fit(x_train, y_train)
    return Trained(
        name="penguins",
        description="Species of a Palmer penguin from its measurements, island and sex, of which "
        'any measurement may be null and an unknown sex is "" (random forest, 100 trees).',
        data="Palmer penguins, as shipped in the palmerpenguins package, 344 rows",
        estimator=model,
        inputs=[
            (name, FloatTensorType([None, 1]) if name in numbers else StringTensorType([None, 1]))
            for name in columns
        ],
        features=[
            feature(name, nullable=True, unit=numbers[name]) if name in numbers
            else feature(name, "string")
            for name in columns
        ],
        classes=[str(name) for name in model.classes_],
        example=json_rows(frame[:1])[0],
        x_test=x_test,
        y_test=y_test.to_numpy(),
        packages=["palmerpenguins", "pandas"],
    )


def train_digits():
    """Multilayer perceptron 64-512-512-10 on 8x8 images of digits, pixels scaled to 0..1."""
    digits = load_digits()
    x_train, x_test, y_train, y_test = split((digits.data / 16).astype(np.float32), digits.target)
    network = MLPClassifier(hidden_layer_sizes=(512, 512), random_state=SEED)
    return Trained(
        name="digits",
        description="Handwritten digit in an 8x8 grey image, pixels 0 (paper) to 1 (ink), row by "
        "row (multilayer perceptron, two hidden layers of 512).",
        data="Digits, as shipped in scikit-learn (sklearn.datasets.load_digits), 1797 rows",
        estimator=network.fit(x_train, y_train),
        inputs=[("input", FloatTensorType([None, 64]))],
        features=[feature(f"pixel_{row}_{col}") for row in range(8) for col in range(8)],
        classes=[str(name) for name in digits.target_names],
        example=json_rows(digits.data[:1] / 16)[0],
        x_test=x_test,
        y_test=y_test,
    )


def export(trained):
    """The fitted estimator as the bytes of an ONNX file with outputs `label` and `probabilities`."""
    text_labels = trained.y_test.dtype == object
    model = convert_sklearn(
        trained.estimator,
        name=trained.name,
        initial_types=trained.inputs,
        final_types=[
            ("label", StringTensorType([None]) if text_labels else Int64TensorType([None])),
            ("probabilities", FloatTensorType([None, len(trained.classes)])),
        ],
        options={"zipmap": False},
        target_opset=OPSETS,
    )
    model.ir_version = IR_VERSION
    # skl2onnx lists the opsets in the order of a set of strings, which changes from run to run.
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def run(model_bytes, trained, x):
    """Class indices and probabilities which ONNX Runtime computes for the rows of `x`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model_bytes, options, ["CPUExecutionProvider"])
    if len(trained.inputs) == 1:
        feed = {"input": x}
    else:
        feed = {name: x[name].to_numpy().reshape(-1, 1) for name, _ in trained.inputs}
    labels, probabilities = session.run(["label", "probabilities"], feed)
    if labels.dtype == object:
        labels = np.array([trained.classes.index(label) for label in labels])
    return labels, probabilities


def json_value(value):
    """A cell as JSON: text as it is, NaN as null, float32 as its shortest exact decimal."""
    if isinstance(value, str):
        return value
    if np.isnan(value):
        return None
    number = float(str(np.float32(value)))
    assert np.float32(number) == np.float32(value)
    return number


def json_rows(table):
    """The rows of an array or data frame as lists of JSON values."""
    cells = table.itertuples(index=False) if hasattr(table, "itertuples") else table
    return [[json_value(value) for value in row] for row in cells]


def pick_rows(x):
    """Positions of the reference rows: those with a missing value first, then in test order."""
    if not hasattr(x, "isna"):
        return np.arange(REFERENCE_ROWS)
    complete = ~(x.isna() | (x == "")).any(axis=1).to_numpy()
    return np.argsort(complete, kind="stable")[:REFERENCE_ROWS]


def sidecar(trained, model_bytes):
    """Everything a server or a reader needs to know about the model, as a dictionary."""
    indices, probabilities = run(model_bytes, trained, trained.x_test)
    predicted = np.array(trained.estimator.classes_)[indices]
    # The export must agree with scikit-learn on the whole test set.
    assert (predicted == trained.estimator.predict(trained.x_test)).all()
    expected = trained.estimator.predict_proba(trained.x_test)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)

    all_rows = json_rows(trained.x_test)
    picked = pick_rows(trained.x_test)
    return {
        "schema_version": 1,
        "name": trained.name,
        "version": "1",
        "description": trained.description,
        "features": trained.features,
        "classes": trained.classes,
        "label_output": "label",
        "probability_output": "probabilities",
        "example": {"features": trained.example},
        "test_accuracy": round(float(np.mean(predicted == trained.y_test)), 4),
        "reference": {
            "rows": [all_rows[position] for position in picked],
            "labels": [trained.classes[index] for index in indices[picked]],
            "probabilities": json_rows(probabilities[picked]),
        },
        "training": {
            "script": "models/train.py",
            "data": trained.data,
            "packages": {name: version(name) for name in PACKAGES + trained.packages},
        },
    }


def pretty(value, indent=""):
    """JSON with innermost lists and objects, such as the row of a matrix, on one line."""
    children = value.values() if isinstance(value, dict) else value
    if not isinstance(value, (dict, list)) or not any(isinstance(c, (dict, list)) for c in children):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    deeper = indent + "  "
    if isinstance(value, dict):
        lines = [f"{deeper}{json.dumps(key)}: {pretty(item, deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    return "[\n" + ",\n".join(deeper + pretty(item, deeper) for item in value) + f"\n{indent}]"


MODELS = {"iris": train_iris, "penguins": train_penguins, "digits": train_digits}


def main():
    """Train the models named on the command line, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(MODELS)}")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, metavar="DIR")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(MODELS)
    if unknown:
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    arguments.out.mkdir(parents=True, exist_ok=True)

    for name in arguments.names or MODELS:
        trained = MODELS[name]()
        model_bytes = export(trained)
        description = sidecar(trained, model_bytes)
        (arguments.out / f"{name}.onnx").write_bytes(model_bytes)
        text = pretty(description) + "\n"
        (arguments.out / f"{name}.json").write_text(text, encoding="utf-8", newline="\n")
        accuracy = description["test_accuracy"]
        print(f"{name}: {len(model_bytes)} bytes, accuracy on the test set {accuracy:.4f}")


if __name__ == "__main__":
    main()
