"""What the benchmarks share: a server on CPU 0, wrk on CPU 1, medians over rounds in which servers take turns.

Standard library only, and `wrk` on the PATH.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TICK = os.sysconf("SC_CLK_TCK")
PORT = 8177
CONNECTIONS = 64


def body_of(model):
    """The sidecar's example, as bytes."""
    sidecar = json.loads((ROOT / f"models/{model}.json").read_text())
    return json.dumps(sidecar["example"]).encode()


@contextlib.contextmanager
def running(command, path, body, environment=None):
    """A server that has answered, and the seconds until it did."""
    begun = time.monotonic()
    process = subprocess.Popen(
        ["taskset", "-c", "0", *map(str, command)],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process.pid, wait(process, path, body) - begun
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait(process, path, body, patience=90):
    """When the first good answer came: some servers refuse until their model is loaded."""
    end = time.monotonic() + patience
    said = "nothing"
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"the server ended with {process.returncode}: {process.args}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status == 200:
                return time.monotonic()
            said = f"{answer.status}: {text[:300]}"
        time.sleep(0.001)
    sys.exit(f"{path} answers {said}; the server is {process.args}")


def processes(pid):
    """The process and all that it has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(p for child in children for p in processes(int(child)))]


def cpu_seconds(pid):
    """User and system CPU seconds of the process and its children."""
    user = system = 0
    for each in processes(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        user += int(fields[11])
        system += int(fields[12])
    return user / TICK, system / TICK


def pss_mb(pid):
    """Proportional set size of the process and its children."""
    total = 0
    for each in processes(pid):
        rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
        total += int(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1])
    return total * 1024 / 1e6


def wrk(path, body, seconds, connections=CONNECTIONS):
    """One run of wrk: closed model, no think time."""
    script = Path(f"/tmp/wrk-{os.getpid()}.lua")
    text = body.decode().replace("\\", "\\\\").replace("'", "\\'")
    script.write_text(
        f"wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = '{text}'\n"
    )
    try:
        out = subprocess.run(
            ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency", "-s", script,
             f"http://127.0.0.1:{PORT}{path}"],
            capture_output=True, text=True, check=True,
        ).stdout
    finally:
        script.unlink()
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(out)
    scale = {"us": 1e-3, "ms": 1, "s": 1e3}
    latency = {q: float(n) * scale[unit] for q, n, unit in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)\b", out)}
    return {
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]),
        "requests": int(re.search(r"(\d+) requests in", out)[1]),
        "p50": latency["50"],
        "p99": latency["99"],
    }


def measure(command, path, body, seconds, environment=None):
    """One server under wrk, after a warm-up."""
    with running(command, path, body, environment) as (pid, start):
        wrk(path, body, 2)
        user, system = cpu_seconds(pid)
        result = wrk(path, body, seconds)
        user_after, system_after = cpu_seconds(pid)
        user, system = user_after - user, system_after - system
        return {
            **result,
            "start_ms": start * 1e3,
            "cpu_us": (user + system) / result["requests"] * 1e6,
            "kernel_us": system / result["requests"] * 1e6,
            "pss": pss_mb(pid),
            "stages_us": stages(),
        }


def stages():
    """Where a row's time went, by the server's own statistics, if it has them: microseconds a row."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
    connection.request("GET", "/v2/models/stats")
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200 or b"model_stats" not in text:
        return {}
    model = json.loads(text)["model_stats"][0]
    whole = {s: model["inference_stats"][s] for s in ("compute_input", "compute_output")}
    spent = {s: of["ns"] / of["count"] / 1e3 for s, of in whole.items()}
    # Of a batch, each row took its share.
    inferring = sum(batch["compute_infer"]["ns"] for batch in model["batch_stats"])
    return {**spent, "compute_infer": inferring / model["inference_count"] / 1e3,
            "rows_a_run": model["inference_count"] / model["execution_count"]}


def medians(results):
    """The median of every figure."""
    keys = [k for k in results[0] if k != "stages_us"]
    middle = {k: statistics.median(r[k] for r in results) for k in keys}
    middle["stages_us"] = {s: statistics.median(r["stages_us"][s] for r in results) for s in results[0]["stages_us"]}
    return middle
