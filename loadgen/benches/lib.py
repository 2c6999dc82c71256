"""What the benchmarks of the generator share: a null server on CPU 0, generators on CPU 1, and what each used.

Standard library only.
"""

import contextlib
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LOADGEN = Path(os.environ.get("LOADGEN", ROOT / "target/release/loadgen"))
PEERS = ROOT / "target/peers"
BODY = '{"features":[5.1,3.5,1.4,0.2]}'
PORT = 8178
HOST = f"http://127.0.0.1:{PORT}"


@contextlib.contextmanager
def null_server(*options):
    """Ours: answers at once, and is faster than nginx."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    command = [LOADGEN, "null-server", "--bind", f"127.0.0.1:{PORT}", "--pin", "0", *options]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORT), 1):
                break
            time.sleep(0.01)
        yield
    finally:
        server.kill()
        server.wait()


def run(command, environment=None):
    """Runs a generator on CPU 1: what it printed, its CPU seconds, and the most memory it had, in MB."""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(
            ["taskset", "-c", "1", *map(str, command)], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )
        _, status, used = os.wait4(process.pid, 0)
        out.seek(0)
        text = out.read()
    if os.waitstatus_to_exitcode(status) not in (0, 3):
        sys.exit(f"{command[0]} ended with {os.waitstatus_to_exitcode(status)}:\n{text[-2000:]}")
    return text, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def venv(name, *packages):
    """The folder of programs of an environment that has these packages."""
    folder = PEERS / name
    if not (folder / "bin/python").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin/python", "-m", "pip", "install", "-q", "--prefer-binary", *packages], check=True)
    return folder / "bin"


def goose_peer():
    """The program in goose/, built into target/peers."""
    target = PEERS / "goose"
    manifest = HERE / "goose/Cargo.toml"
    subprocess.run(["cargo", "build", "-q", "--release", "--manifest-path", manifest, "--target-dir", target], check=True)
    return target / "release/goose-peer"


def cargo(program, *arguments):
    """A program that cargo installs into target/peers."""
    path = PEERS / "cargo/bin" / program
    if not path.exists():
        subprocess.run(["cargo", "install", "-q", "--locked", "--root", PEERS / "cargo", *arguments], check=True)
    return path
