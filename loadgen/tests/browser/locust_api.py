"""Compares the page's HTTP API with a real Locust's, key by key and type by type.

    locust_api.py OURS TARGET     (OURS: the page; TARGET: the server that both load)

Both are driven by the same calls of Python's requests. A path that only one answers, a key that
only one has, and a type that differs are errors. Keys of rows are compared where both have rows.
"""

import pathlib
import socket
import subprocess
import sys
import tempfile
import time

import requests

OURS, TARGET = sys.argv[1].rstrip("/"), sys.argv[2].rstrip("/")

# Both load a path that answers 404: Locust by this file, ours by a scenario. Locust ignores the
# scenario.
LOCUSTFILE = """
from locust import HttpUser, constant, task

class User(HttpUser):
    wait_time = constant(0.2)

    @task
    def missing(self):
        self.client.get("/nowhere")
"""

MISSING = {"host": TARGET, "scenario": "nowhere.toml"}

# Calls in order: name, method, path, form. Some wait first, for load to build up or to end.
CALLS = [
    (0, "GET", "/stats/requests", None),
    (0, "GET", "/exceptions", None),
    (0, "GET", "/tasks", None),
    (0, "GET", "/worker-count", None),
    (0, "POST", "/swarm", {"user_count": "many", "spawn_rate": "1"}),
    (0, "POST", "/swarm", {"user_count": "5"}),
    (0, "POST", "/swarm", {"user_count": "5", "spawn_rate": "5", "run_time": "soon"}),
    (0, "POST", "/swarm", {"user_count": "5", "spawn_rate": "5", "run_time": "1m", **MISSING}),
    (5, "GET", "/stats/requests", None),
    (0, "GET", "/tasks", None),
    (0, "GET", "/logs", None),
    (0, "POST", "/swarm", {"user_count": "3", "spawn_rate": "5", "host": TARGET}),
    (3, "GET", "/stats/requests", None),
    (0, "GET", "/stats/requests/csv", None),
    (0, "GET", "/stats/failures/csv", None),
    (0, "GET", "/exceptions/csv", None),
    (0, "GET", "/stats/report?download=1&theme=dark", None),
    (0, "POST", "/stats/reset", None),
    (0, "POST", "/stop", None),
    (0, "POST", "/swarm", {"user_count": "2", "spawn_rate": "5", **MISSING}),
    (2, "POST", "/stop", None),
    (2, "GET", "/stats/requests", None),
]

# Values that scripts compare with, not only keys and types.
SAME = {"state", "success", "message", "worker_count", "user_count"}
# The message of a run time that is none is our own: it names the formats that we take.
OWN_WORDS = "run_time"
# Names of tasks and users are keys of these objects.
FREE_KEYS = ("per_class", "total", "tasks", "workers")


# Lists with a row for each task or failure, of which both have as many.
ROWS = {".stats", ".errors"}


def kind(value):
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return type(value).__name__


def differences(ours, theirs, path, is_free=False):
    if kind(ours) != kind(theirs):
        # A percentile of a moment without answers is null in both, at other moments.
        if "response_time_percentile" in path and None in (ours, theirs):
            return
        yield f"{path}: {kind(ours)}, and Locust has {kind(theirs)}"
    elif isinstance(ours, dict):
        for key in () if is_free else sorted(set(ours) ^ set(theirs)):
            yield f"{path}.{key}: only {'ours' if key in ours else 'Locust'} has it"
        for key in sorted(set(ours) & set(theirs)):
            yield from differences(ours[key], theirs[key], f"{path}.{key}", key in FREE_KEYS)
    elif isinstance(ours, list):
        if path in ROWS and len(ours) != len(theirs):
            yield f"{path}: {len(ours)} rows, and Locust has {len(theirs)}"
        # The first row is a task or a failure, the last one all tasks.
        for index in (0, -1) if ours and theirs else ():
            yield from differences(ours[index], theirs[index], f"{path}[]")
    elif path.rsplit(".", 1)[-1] in SAME and ours != theirs:
        yield f"{path}: {ours!r}, and Locust has {theirs!r}"


def call(base, method, path, form):
    answer = requests.request(method, base + path, data=form, timeout=30)
    is_json = "json" in answer.headers.get("content-type", "")
    return answer.status_code, answer.json() if is_json else answer.text


def compare(theirs):
    found = []
    for wait, method, path, form in CALLS:
        time.sleep(wait)
        status, ours = call(OURS, method, path, form)
        their_status, their = call(theirs, method, path, form)
        name = f"{method} {path} {form or ''}"
        if status != their_status:
            found.append(f"{name}: status {status}, and Locust has {their_status}")
        elif isinstance(ours, (dict, list)):
            has_own_words = form and OWN_WORDS in form
            for one in differences(ours, their, ""):
                if not (has_own_words and ".message" in one):
                    found.append(f"{name}: {one}")
        elif path.endswith("csv"):
            head, their_head = ours.splitlines()[0], their.splitlines()[0]
            if head != their_head:
                found.append(f"{name}: {head!r}, and Locust has {their_head!r}")
        print("same" if not any(one.startswith(name) for one in found) else "DIFFERENT", name)
    return found


def main():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "locustfile.py"
        file.write_text(LOCUSTFILE)
        command = [sys.executable, "-m", "locust", "-f", file]
        command += ["--host", TARGET, "--web-host", "127.0.0.1", "--web-port", str(port)]
        command += ["--loglevel", "ERROR"]
        locust = subprocess.Popen(command, cwd=folder)
        try:
            theirs = f"http://127.0.0.1:{port}"
            for _ in range(100):
                try:
                    requests.get(theirs + "/stats/requests", timeout=5)
                    break
                except requests.ConnectionError:
                    time.sleep(0.2)
            found = compare(theirs)
        finally:
            locust.terminate()
            locust.wait(20)
    if found:
        sys.exit("\n".join(found))


main()
