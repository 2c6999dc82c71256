"""Synthetic service time against theory: Poisson arrivals at a real server, and the mean response time of the textbook.

    python3 queueing.py [seconds]

Open model: a request is sent when it is due, on a connection of its own if all others are busy, and its time counts from when it was
due. M/M/c is Erlang's formula (Kleinrock, Queueing Systems I, 3.5); M/M/inf is the service time alone. The server has CPU 0.
"""

import asyncio
import math
import random
import statistics
import sys
import time

from lib import PORT, ROOT, body_of, running

SERVICE_RATE = 200
CASES = [
    # name, servers (None for no limit), arrivals a second
    ("M/M/1, half busy", 1, 100),
    ("M/M/1, 70% busy", 1, 140),
    ("M/M/3, 70% busy", 3, 420),
    ("M/M/inf", None, 420),
]


def theory(servers, arrivals):
    """Mean response time in seconds."""
    if servers is None:
        return 1 / SERVICE_RATE
    offered = arrivals / SERVICE_RATE
    last = offered**servers / math.factorial(servers) / (1 - offered / servers)
    waits = last / (sum(offered**k / math.factorial(k) for k in range(servers)) + last)
    return waits / (servers * SERVICE_RATE - arrivals) + 1 / SERVICE_RATE


async def drive(arrivals, seconds, request):
    """Response times of Poisson arrivals."""
    idle, times, tasks = [], [], set()
    random_times = random.Random(1)

    async def one(due):
        reader, writer = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", PORT)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
        times.append(time.monotonic() - due)
        idle.append((reader, writer))

    due = time.monotonic()
    end = due + seconds
    while due < end:
        wait = due - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.add(asyncio.create_task(one(due)))
        due += random_times.expovariate(arrivals)
    await asyncio.gather(*tasks)
    return times


def main(seconds=40):
    body = body_of("iris")
    request = (f"POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
               f"content-length: {len(body)}\r\n\r\n").encode() + body
    print("| system | arrivals/s | theory ms | measured ms | requests |\n|---|---|---|---|---|")
    for name, servers, arrivals in CASES:
        mode = ["--service-mode", "async"] if servers is None else ["--workers", str(servers)]
        command = [ROOT / "target/release/inference-api", "serve", "--log", "error", "--model", ROOT / "models/iris.onnx",
                   "--bind", f"127.0.0.1:{PORT}", "--service-time", f"expovariate({SERVICE_RATE})", "--service-seed", "1", *mode]
        with running(command, "/predict", body):
            times = asyncio.run(drive(arrivals, seconds, request))
        print(f"| {name} | {arrivals} | {theory(servers, arrivals) * 1e3:.2f} | {statistics.mean(times) * 1e3:.2f} | {len(times)} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
