"""A real MLflow server's registry: registered, aliased, loaded, scored; then the alias is moved under load.

    registry.py BINARY MODEL.onnx OTHER.onnx

BINARY is inference-api. Starts an MLflow server with its artifacts proxied and a user's password asked for, all on loopback.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import mlflow
import numpy as np
import onnx
import onnxruntime as ort
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

USER, PASSWORD = "admin", "a-password-of-this-test"
COLUMNS = ["sepal length", "sepal width", "petal length", "petal width"]
ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]], dtype=np.float32)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def started(command, log, **environment):
    with open(log, "w") as out:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=out, stderr=out, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def get(url, body=None):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        text = answer.read()
        return json.loads(text) if text[:1] in b"{[" else text


def until(what, ask, patience=90):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        with contextlib.suppress(OSError, ValueError):
            if ask():
                return
        time.sleep(0.1)
    raise AssertionError(f"waited for {what}")


def register(path, external=False):
    """Logs and registers a version, and returns its number."""
    signature = ModelSignature(Schema([ColSpec("float", name) for name in COLUMNS]))
    with mlflow.start_run():
        info = mlflow.onnx.log_model(onnx.load(path), name="model", registered_model_name="flower",
                                     save_as_external_data=external, signature=signature)
    return info.registered_model_version, info.model_id


def scores(address, path):
    """Asserts that what the server answers is what Python's ONNX Runtime answers."""
    label, probabilities = ort.InferenceSession(path).run(None, {"input": ROWS})
    answer = get(f"{address}/invocations", {"inputs": ROWS.tolist()})["predictions"]
    assert answer["label"] == label.tolist(), answer
    assert np.allclose(answer["probabilities"], probabilities, atol=1e-5)
    # Columns are found by the names of the signature that the model was logged with.
    turned = {"columns": COLUMNS[::-1], "data": ROWS[:, ::-1].tolist()}
    split = get(f"{address}/invocations", {"dataframe_split": turned})
    assert [row["label"] for row in split["predictions"]] == label.tolist(), split


def serve(binary, uri, folder, tracking, *flags):
    port = free_port()
    command = [binary, "serve", "--bind", f"127.0.0.1:{port}", "--workers", "1", "--model", uri, *flags]
    library = subprocess.run([binary, "runtime", "path"], capture_output=True, text=True, check=True).stdout.strip()
    credentials = {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": PASSWORD}
    log = f"{folder}/serve-{port}.log"
    environment = {"MLFLOW_TRACKING_URI": tracking, "XDG_CACHE_HOME": f"{folder}/cache", "ORT_DYLIB_PATH": library, **credentials}
    return f"http://127.0.0.1:{port}", log, started(command, log, **environment)


def version(address):
    return get(f"{address}/model")["version"]


def main(binary, path, other):
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        tracking = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
                   "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/artifacts",
                   "--app-name", "basic-auth"]
        Path(f"{folder}/auth.ini").write_text(
            f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder}/auth.db\nadmin_username = {USER}\n"
            f"admin_password = {PASSWORD}\nauthorization_function = mlflow.server.auth:authenticate_request_basic_auth\n")
        secrets = {"MLFLOW_AUTH_CONFIG_PATH": f"{folder}/auth.ini", "MLFLOW_FLASK_SERVER_SECRET_KEY": "a-key-for-this-test"}
        os.environ.update(MLFLOW_TRACKING_USERNAME=USER, MLFLOW_TRACKING_PASSWORD=PASSWORD)
        with started(command, f"{folder}/mlflow.log", **secrets):
            try:
                until("the MLflow server", lambda: get(f"{tracking}/health") or True, 120)
            except AssertionError:
                sys.exit(Path(f"{folder}/mlflow.log").read_text())
            mlflow.set_tracking_uri(tracking)
            with_registry(binary, folder, tracking, path, other)


def with_registry(binary, folder, tracking, path, other):
    client = mlflow.MlflowClient()
    first, model_id = register(path)
    second, _ = register(other, external=True)
    print(f"registered flower/{first} and flower/{second}, the latter with its weights in a file of their own")
    client.set_registered_model_alias("flower", "champion", first)

    for uri, wanted in [(f"models:/flower/{second}", second), ("models:/flower/latest", second), (f"models:/{model_id}", 1)]:
        address, log, serving = serve(binary, uri, folder, tracking)
        with serving:
            until(f"{uri}\n{Path(log).read_text()}", lambda: str(version(address)) == str(wanted), 30)
            scores(address, other if wanted == second else path)
            print(f"{uri}: loaded, scored as Python's onnxruntime does")

    address, log, serving = serve(binary, "models:/flower@champion", folder, tracking, "--model-control-mode", "poll",
                                  "--repository-poll-secs", "1")
    with serving:
        until(f"the server\n{Path(log).read_text()}", lambda: version(address) == str(first), 30)
        assert "downloading" not in Path(log).read_text(), "it was fetched again"
        counts = {"answered": 0, "failed": 0}
        stop = threading.Event()

        def load():
            while not stop.is_set():
                try:
                    get(f"{address}/invocations", {"inputs": ROWS.tolist()})
                    counts["answered"] += 1
                except Exception as error:
                    counts["failed"] += 1
                    print(error, file=sys.stderr)

        threads = [threading.Thread(target=load) for _ in range(2)]
        for thread in threads:
            thread.start()
        client.set_registered_model_alias("flower", "champion", second)
        until("the alias's new version", lambda: version(address) == str(second), 30)
        scores(address, other)
        client.set_registered_model_alias("flower", "champion", first)
        until("the alias's old version", lambda: version(address) == str(first), 30)
        stop.set()
        for thread in threads:
            thread.join()
        scores(address, path)
        print(f"models:/flower@champion: moved and moved back under load, {counts['answered']} answered, {counts['failed']} failed")
        assert counts["failed"] == 0 and counts["answered"] > 100

    for uri, words in [("models:/flower@nobody", "nobody"), ("models:/rose/1", "rose"), ("models:/flower/99", "99")]:
        address, log, serving = serve(binary, uri, folder, tracking)
        with serving as process:
            assert process.wait(30) == 1
            said = Path(log).read_text()
            assert "error: " in said and words in said, said
            print(said.strip().splitlines()[-1])


if __name__ == "__main__":
    main(*sys.argv[1:])
