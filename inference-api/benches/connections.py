"""Memory of a server under many keep-alive connections that each send a request now and then.

    python3 connections.py PID ADDRESS:PORT [connections [requests_per_second [seconds]]]

Opens the connections, sends to one after the other at the given rate for the given time, and prints the server's PSS
(proportional set size, from /proc/PID/smaps_rollup) before, while they send, and a second after the last answer.
Standard library only; raise `ulimit -n` above the number of connections for both processes.
"""

import random
import resource
import select
import socket
import sys
import time

BODY = b'{"features": [5.1, 3.5, 1.4, 0.2]}'


def pss_mb(pid):
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Pss:")) * 1024 / 1e6


def main(pid, address, connections=10_000, rate=5_000, seconds=12):
    host, port = address.rsplit(":", 1)
    resource.setrlimit(resource.RLIMIT_NOFILE, (connections + 100, connections + 100))
    request = (
        f"POST /predict HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n"
    ).encode() + BODY
    print(f"without connections: {pss_mb(pid):.1f} MB PSS")
    poll = select.epoll()
    open_sockets = {}
    for _ in range(connections):
        sock = socket.create_connection((host, int(port)))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        poll.register(sock, select.EPOLLIN)
        open_sockets[sock.fileno()] = sock
    print(f"{connections} open, nothing sent: {pss_mb(pid):.1f} MB PSS")
    order = list(open_sockets.values())
    random.Random(1).shuffle(order)
    waiting, sent, answered, bad, samples = {}, 0, 0, 0, []
    begin = last_sample = time.monotonic()
    while True:
        now = time.monotonic()
        due = int(min(now - begin, seconds) * rate)
        while sent < due:
            sock = order[sent % connections]
            sent += 1
            if sock.fileno() not in waiting:
                sock.send(request)
                waiting[sock.fileno()] = now
        for fd, _ in poll.poll(0.001):
            answer = open_sockets[fd].recv(4096)
            waiting.pop(fd, None)
            answered += 1
            bad += not answer.startswith(b"HTTP/1.1 200")
            if not answer:
                poll.unregister(fd)
        if now - last_sample > 0.5:
            samples.append(pss_mb(pid))
            last_sample = now
        if now - begin > seconds and (not waiting or now - begin > seconds + 5):
            break
    samples.sort()
    print(f"while sending: median {samples[len(samples) // 2]:.1f}, highest {samples[-1]:.1f} MB PSS")
    time.sleep(1)
    print(f"all idle: {pss_mb(pid):.1f} MB PSS ({answered} answers, {answered / seconds:.0f}/s, {bad} not 200, "
          f"{len(waiting)} missing)")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
