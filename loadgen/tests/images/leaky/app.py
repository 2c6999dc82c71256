"""A server that leaks, with nothing but Python's own library."""

import socket
import threading

KEPT = []
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


def serve(connection):
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                return
            data += part
        head, data = data.split(b"\r\n\r\n", 1)
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        length = int(lengths[0]) if lengths else 0
        while len(data) < length:
            data += connection.recv(65536)
        data = data[length:]
        KEPT.append(bytearray(20_000))
        connection.sendall(ANSWER)


listener = socket.create_server(("0.0.0.0", 9000), backlog=256)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
