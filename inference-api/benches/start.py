"""Time from the start of the process to its first answer, and the memory that it has then.

    python3 start.py [model [rounds]]
"""

import statistics
import sys

from lib import PORT, ROOT, body_of, pss_mb, running


def main(model="iris", rounds=21):
    command = [ROOT / "target/release/inference-api", "serve", "--log", "error", "--model",
               ROOT / f"models/{model}.onnx", "--bind", f"127.0.0.1:{PORT}"]
    starts, memory = [], []
    for _ in range(rounds):
        with running(command, "/predict", body_of(model)) as (pid, start):
            starts.append(start * 1e3)
            memory.append(pss_mb(pid))
    print(f"{model}: first answer after {statistics.median(starts):.0f} ms (median of {rounds}; {min(starts):.0f} to "
          f"{max(starts):.0f}), {statistics.median(memory):.1f} MB PSS")


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:]))
