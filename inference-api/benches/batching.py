"""What micro-batching brings: a model with and without it, by turns.

    python3 batching.py [model [rounds [seconds]]]

The server has CPU 0; wrk has CPU 1 and 64 connections that never think.
"""

import sys

from lib import PORT, ROOT, body_of, measure, medians


def main(model="digits", rounds=5, seconds=6):
    command = [ROOT / "target/release/inference-api", "serve", "--log", "error", "--model",
               ROOT / f"models/{model}.onnx", "--bind", f"127.0.0.1:{PORT}"]
    cases = {"one by one": [*command, "--max-batch-size", "1"], "batched": command}
    results = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            results[name].append(measure(case, "/predict", body_of(model), seconds))
    middle = {name: medians(each) for name, each in results.items()}
    print(f"{model}, medians of {rounds} x {seconds} s, wrk -t1 -c64, a core each\n")
    print("| | requests/s | p50 ms | p99 ms | CPU us a request |\n|---|---|---|---|---|")
    for name, m in middle.items():
        print(f"| {name} | {m['rate']:,.0f} | {m['p50']:.2f} | {m['p99']:.2f} | {m['cpu_us']:.1f} |")
    print(f"\n{middle['batched']['rate'] / middle['one by one']['rate']:.2f} times the requests/s")


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:]))
