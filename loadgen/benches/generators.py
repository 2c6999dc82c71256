"""Generators side by side, by turns in one run, against a null server: how fast can each send, and what does it cost?

    python3 generators.py [--rounds 5] [--seconds 6] [GENERATOR...]

64 connections, closed model, no think time. wrk and h2load are Debian's (wrk, nghttp2-client); oha, Goose and Locust are
installed into target/peers. Build ours first: cargo build --release -p loadgen
"""

import argparse
import json
import re
import tempfile
from pathlib import Path

from lib import BODY, HERE, HOST, LOADGEN, cargo, goose_peer, median, null_server, run, venv

URL = f"{HOST}/predict"


def ours(seconds):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        text, cpu, memory = run([LOADGEN, "run", "--host", HOST, "--users", 64, "--spawn-rate", 10000, "--pin", 1, "--no-calibrate", "--run-time",
                                 f"{seconds}s", "--wait-time", "constant(0)", "--body", BODY, "--json", out.name])
        total = json.load(out)["total"]
    assert total["failures"] == 0, text
    return total["requests"], cpu, memory


def wrk(seconds):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"wrk.method='POST'\nwrk.headers['Content-Type']='application/json'\nwrk.body='{BODY}'\n")
        script.flush()
        text, cpu, memory = run(["wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", "-s", script.name, URL])
    return int(re.search(r"(\d+) requests in", text)[1]), cpu, memory


def h2load(seconds):
    with tempfile.NamedTemporaryFile("w") as body:
        body.write(BODY)
        body.flush()
        text, cpu, memory = run(["h2load", "--h1", "-D", seconds, "-t1", "-c64", "-m1", "-d", body.name, URL])
    return int(re.search(r"(\d+) succeeded", text)[1]), cpu, memory


def oha(seconds):
    text, cpu, memory = run([cargo("oha", "oha"), "--no-tui", "--output-format", "json", "-z", f"{seconds}s", "-c", 64, "-m", "POST",
                             "-T", "application/json", "-d", BODY, URL])
    return sum(json.loads(text)["statusCodeDistribution"].values()), cpu, memory


def goose(seconds):
    text, cpu, memory = run([goose_peer(), "--host", HOST, "--users", 64, "--increase-rate", 64, "--run-time",
                             seconds, "--no-reset-metrics", "--quiet"])
    return int(re.search(r"Aggregated\s*\|\s*([\d,]+)", text)[1].replace(",", "")), cpu, memory


def locust(seconds):
    folder = Path(tempfile.mkdtemp())
    _, cpu, memory = run([venv("locust", "locust") / "locust", "-f", HERE / "locustfile.py", "--headless", "--host", HOST, "-u", 64,
                          "-r", 64, "-t", f"{seconds}s", "--only-summary", "--loglevel", "ERROR", "--csv", folder / "l"])
    row = (folder / "l_stats.csv").read_text().splitlines()[-1].split(",")
    return int(row[2]), cpu, memory


GENERATORS = {"loadgen": ours, "wrk": wrk, "h2load": h2load, "oha": oha, "Goose": goose, "Locust, FastHttpUser": locust}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("generators", nargs="*", metavar="GENERATOR", help=f"of {list(GENERATORS)}")
    options = parser.parse_args()
    names = options.generators or list(GENERATORS)
    results = {name: [] for name in names}
    with null_server():
        for _ in range(options.rounds):
            for name in names:
                requests, cpu, memory = GENERATORS[name](options.seconds)
                results[name].append({"rate": requests / options.seconds, "cpu": cpu / requests * 1e6, "memory": memory})
    base = median(results["wrk"], "rate") if "wrk" in results else None
    print(f"medians of {options.rounds} x {options.seconds} s, 64 connections, closed model, no think time, a core each\n")
    print("| generator | requests/s | times wrk | CPU seconds per 1,000,000 | memory MB |\n|---|---|---|---|---|")
    for name, rows in results.items():
        rate = median(rows, "rate")
        times = f"{rate / base:.2f}" if base else ""
        print(f"| {name} | {rate:,.0f} | {times} | {median(rows, 'cpu'):.2f} | {median(rows, 'memory'):.1f} |")


if __name__ == "__main__":
    main()
