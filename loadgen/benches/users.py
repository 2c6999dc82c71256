"""10,000 users with a connection each who think for 1 to 2.5 s, beside other generators at the same rate, by turns in one run.

    python3 users.py [--rounds 5] [--seconds 20] [GENERATOR...]

Against a null server. `open` is ours with arrivals at a constant rate, for the times that no user's thinking can have changed.
oha has a rate for all its connections together, not users.
"""

import argparse
import json
import re
import tempfile
from pathlib import Path

from lib import BODY, HERE, HOST, LOADGEN, cargo, goose_peer, median, null_server, run, venv

URL = f"{HOST}/predict"
USERS = 10_000
PLANNED = USERS / 1.75
RAMP = 10


def ours(seconds, *load):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        _, cpu, memory = run([LOADGEN, "run", "--host", HOST, "--pin", 1, "--no-calibrate", "--body", BODY, "--json", out.name, *load])
        result = json.load(out)
    step = result["steps"][-1]
    return {"rate": step["requests_per_second"], "cpu": cpu / result["total"]["requests"] * 1e6, "memory": memory,
            "p99": step["service_ms"]["p99"], "lag": step["lag_p99_ms"], "failed": result["total"]["failures"]}


def closed(seconds):
    return ours(seconds, "--users", USERS, "--spawn-rate", USERS / RAMP, "--run-time", f"{seconds + RAMP}s", "--wait-time", "between(1, 2.5)")


def opened(seconds):
    return ours(seconds, "--users", USERS, "--arrivals", f"constant({PLANNED:.1f})", "--run-time", f"{seconds}s")


def oha(seconds):
    text, cpu, memory = run([cargo("oha", "oha"), "--no-tui", "--output-format", "json", "-z", f"{seconds}s", "-c", USERS, "-q",
                             round(PLANNED), "--latency-correction", "-m", "POST", "-T", "application/json", "-d", BODY, URL])
    result = json.loads(text)
    requests = sum(result["statusCodeDistribution"].values())
    return {"rate": requests / seconds, "cpu": cpu / requests * 1e6, "memory": memory,
            "p99": result["latencyPercentiles"]["p99"] * 1e3, "failed": sum(result["errorDistribution"].values())}


def goose(seconds):
    text, cpu, memory = run([goose_peer(), "--host", HOST, "--users", USERS, "--increase-rate", USERS // RAMP,
                             "--run-time", seconds, "--quiet"], {"THINK": "1"})
    requests = int(re.search(r"Aggregated\s*\|\s*([\d,]+)", text)[1].replace(",", ""))
    return {"rate": requests / seconds, "cpu": cpu / requests * 1e6, "memory": memory}


def locust(seconds):
    folder = Path(tempfile.mkdtemp())
    _, cpu, memory = run([venv("locust", "locust") / "locust", "-f", HERE / "locustfile.py", "--headless", "--host", HOST, "-u", USERS,
                          "-r", USERS // RAMP, "-t", f"{seconds + RAMP}s", "--reset-stats", "--only-summary", "--loglevel", "ERROR",
                          "--csv", folder / "l"], {"THINK": "1"})
    row = (folder / "l_stats.csv").read_text().splitlines()[-1].split(",")
    return {"rate": float(row[9]), "cpu": cpu / int(row[2]) * 1e6, "memory": memory}


GENERATORS = {"loadgen": closed, "loadgen, open": opened, "oha": oha, "Goose": goose, "Locust, FastHttpUser": locust}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("generators", nargs="*", metavar="GENERATOR", help=f"of {list(GENERATORS)}")
    options = parser.parse_args()
    names = options.generators or ["loadgen", "loadgen, open", "oha"]
    results = {name: [] for name in names}
    with null_server():
        for _ in range(options.rounds):
            for name in names:
                results[name].append(GENERATORS[name](options.seconds))
    print(f"medians of {options.rounds} x {options.seconds} s, {USERS:,} connections, {PLANNED:.1f} requests/s planned, a core each\n")
    print("| generator | requests/s | of planned | CPU us a request | memory MB | p99 ms | lag p99 ms | failed |\n|---|---|---|---|---|---|---|---|")
    for name, rows in results.items():
        figure = {key: median(rows, key) for key in rows[0]}
        shown = [f"{figure[key]:.2f}" if key in figure else "" for key in ("p99", "lag", "failed")]
        print(f"| {name} | {figure['rate']:,.1f} | {figure['rate'] / PLANNED:.1%} | {figure['cpu']:.1f} | {figure['memory']:.1f} | "
              + " | ".join(shown) + " |")


if __name__ == "__main__":
    main()
