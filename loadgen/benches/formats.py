"""Do others read what we write? Locust's CSV files beside those of a real Locust, and the HDR log by HdrHistogram for Python.

    python3 formats.py

Locust and hdrhistogram are installed into target/peers. Ends with an error if anything differs that should not.
"""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from lib import BODY, HERE, HOST, LOADGEN, null_server, run, venv

READ_LOG = """
import sys
from hdrh.log import HistogramLogReader
from hdrh.histogram import HdrHistogram
total = {}
reader = HistogramLogReader(sys.argv[1], HdrHistogram(1, 60_000_000, 3))
while (histogram := reader.get_next_interval_histogram()) is not None:
    total.setdefault(histogram.get_tag(), HdrHistogram(1, 60_000_000, 3)).add(histogram)
print({tag: [h.get_total_count(), *(h.get_value_at_percentile(q) for q in (50, 99, 99.9))] for tag, h in total.items()})
"""


def main():
    folder = Path(tempfile.mkdtemp())
    with null_server():
        run([LOADGEN, "run", "--host", HOST, "-u", 20, "-t", "6s", "--wait-time", "constant(0.05)", "--body", BODY, "--csv",
             folder / "ours", "--hdr-log", folder / "ours.hlog", "--json", folder / "ours.json"])
        run([venv("locust", "locust") / "locust", "-f", HERE / "locustfile.py", "--headless", "--host", HOST, "-u", 20, "-r", 100,
             "-t", "6s", "--only-summary", "--loglevel", "ERROR", "--csv", folder / "locust"], {"THINK": "1"})
    same = True
    for name in ("stats", "stats_history", "failures", "exceptions"):
        ours, theirs = (list(csv.reader((folder / f"{who}_{name}.csv").open())) for who in ("ours", "locust"))
        is_same = ours[0] == theirs[0] and all(len(row) == len(ours[0]) for row in ours)
        same &= is_same
        print(f"{name}: {len(ours[0])} columns, {'those of Locust' if is_same else f'NOT those of Locust: {theirs[0]}'}")
        if len(ours) > 1:
            print("   ours:  ", ",".join(ours[-1])[:150])
        if len(theirs) > 1:
            print("   Locust:", ",".join(theirs[-1])[:150])
    python = venv("hdrhistogram", "hdrhistogram") / "python"
    read = subprocess.run([python, "-c", READ_LOG, folder / "ours.hlog"], capture_output=True, text=True, check=True).stdout
    total = json.load((folder / "ours.json").open())["total"]
    print("HDR log, by hdrhistogram (count, p50, p99, p99.9 in us):", read.strip())
    print("our own figures:", total["requests"], {k: total["service_ms"][k] for k in ("p50", "p99", "p99_9")})
    if not same or str(total["requests"]) not in read:
        sys.exit("the formats differ")


if __name__ == "__main__":
    main()
