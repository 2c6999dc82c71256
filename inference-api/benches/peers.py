"""inference-api beside what its users would take instead, by turns in one run.

    python3 peers.py [--model iris|digits] [--rounds 5] [--seconds 6] [SERVER...]

The server has CPU 0; wrk has CPU 1 and 64 connections that never think. Peers are installed from PyPI into target/peers.
Build inference-api first: cargo build --release -p inference-api
"""

import argparse
import json
import os
import subprocess
import sys

from lib import HERE, PORT, ROOT, body_of, measure, medians

VENVS = ROOT / "target/peers"


def venv(name, *packages):
    """The Python of an environment that has these packages."""
    python = VENVS / name / "bin/python"
    if not python.exists():
        print(f"installing {', '.join(packages)} into {VENVS / name}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", VENVS / name], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--prefer-binary", *packages], check=True)
    return python


def ours(model):
    return [ROOT / "target/release/inference-api", "serve", "--log", "error", "--model", ROOT / f"models/{model}.onnx",
            "--bind", f"127.0.0.1:{PORT}"], "/predict", body_of(model)


def fastapi(model, path="/predict"):
    python = venv("fastapi", "fastapi", "uvicorn[standard]", "onnxruntime", "numpy")
    return [python, "-m", "uvicorn", "fastapi_app:app", "--app-dir", HERE / "peers", "--port", PORT, "--loop", "uvloop",
            "--http", "httptools", "--no-access-log", "--log-level", "warning"], path, body_of(model)


def litserve(model):
    python = venv("litserve", "litserve", "onnxruntime", "numpy")
    return [python, HERE / "peers/litserve_app.py", PORT], "/predict", body_of(model)


def mlserver(model):
    python = venv("mlserver", "mlserver", "onnxruntime", "numpy", "uvloop<0.22")
    folder = VENVS / "mlserver-settings"
    folder.mkdir(exist_ok=True)
    (folder / "settings.json").write_text(json.dumps({"http_port": PORT, "parallel_workers": 0, "metrics_endpoint": None}))
    settings = {"name": model, "implementation": "mlserver_app.Onnx"}
    (folder / "model-settings.json").write_text(json.dumps(settings))
    features = json.loads(body_of(model))["features"]
    tensor = {"name": "input", "shape": [1, len(features)], "datatype": "FP32", "data": features}
    start = f"cd {folder} && PYTHONPATH={HERE / 'peers'} exec {python.parent}/mlserver start ."
    return ["sh", "-c", start], f"/v2/models/{model}/infer", json.dumps({"inputs": [tensor]}).encode()


def bentoml(model):
    python = venv("bentoml", "bentoml", "onnxruntime", "numpy", "uvloop", "httptools")
    home = VENVS / "bentoml-home"
    start = (f"cd {HERE / 'peers'} && BENTOML_HOME={home} BENTOML_DO_NOT_TRACK=True PATH={python.parent}:$PATH exec bentoml serve "
             f"bentoml_app:Onnx --host 127.0.0.1 --port {PORT} --timeout-keep-alive 120")
    return ["sh", "-c", start], "/predict", body_of(model)


def mlflow(model):
    python = venv("mlflow", "mlflow-skinny", "pandas", "uvicorn[standard]", "fastapi", "onnxruntime", "numpy")
    saved = VENVS / f"mlflow-{model}"
    if not saved.exists():
        environment = {**os.environ, "MODEL": str(ROOT / f"models/{model}.onnx")}
        subprocess.run([python, HERE / "peers/mlflow_model.py", saved], env=environment, check=True)
    start = (f"cd {VENVS} && MLFLOW_DISABLE_TELEMETRY=true PATH={python.parent}:$PATH exec mlflow models serve -m {saved} "
             f"--env-manager local --host 127.0.0.1 --port {PORT} --workers 1")
    return ["sh", "-c", start], "/invocations", json.dumps({"inputs": [json.loads(body_of(model))["features"]]}).encode()


SERVERS = {
    "inference-api": ours,
    "FastAPI, async def": fastapi,
    "FastAPI, def": lambda model: fastapi(model, "/predict_in_threads"),
    "LitServe": litserve,
    "MLServer": mlserver,
    "BentoML": bentoml,
    "mlflow models serve": mlflow,
}
BASE = "FastAPI, async def"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="iris", choices=["iris", "digits"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("servers", nargs="*", metavar="SERVER", help=f"of {list(SERVERS)}")
    options = parser.parse_args()
    names = options.servers or list(SERVERS)
    cases = {name: SERVERS[name](options.model) for name in names}
    environment = {"MODEL": str(ROOT / f"models/{options.model}.onnx")}
    results = {name: [] for name in names}
    for number in range(options.rounds):
        for name, (command, path, body) in cases.items():
            result = measure(command, path, body, options.seconds, environment)
            results[name].append(result)
            print(f"round {number + 1}: {name}: {result['rate']:.0f}/s", file=sys.stderr)
    middle = {name: medians(each) for name, each in results.items()}
    base = middle.get(BASE, {}).get("rate")
    print(f"{options.model}, medians of {options.rounds} x {options.seconds} s, wrk -t1 -c64, a core each\n")
    print("| server | requests/s | times FastAPI | p50 ms | p99 ms | CPU us a request | PSS MB |")
    print("|---|---|---|---|---|---|---|")
    for name, m in middle.items():
        times = f"{m['rate'] / base:.1f}" if base else ""
        print(f"| {name} | {m['rate']:,.0f} | {times} | {m['p50']:.2f} | {m['p99']:.2f} | {m['cpu_us']:.1f} | {m['pss']:.0f} |")
    if "inference-api" in middle:
        where(middle["inference-api"])


def where(m):
    """Where the CPU time of one request of ours goes."""
    stages = m["stages_us"]
    json_us, inference = stages["compute_input"] + stages["compute_output"], stages["compute_infer"]
    rest = m["cpu_us"] - m["kernel_us"] - json_us - inference
    print(f"\nA request of inference-api takes {m['cpu_us']:.1f} us of CPU: kernel {m['kernel_us']:.1f}, inference "
          f"{inference:.1f}, JSON {json_us:.1f}, HTTP and the rest {rest:.1f}; {stages['rows_a_run']:.1f} rows a run of the model.")


if __name__ == "__main__":
    main()
