"""A TCP proxy that notes the compressed flag of each gRPC message that passes.

grpcio tells neither its servers nor its clients whether a message came compressed, and the interoperability tests are
about just that. The prefix of a message is not compressed itself, so it can be read on the way. Only for calls that
are made one after the other.
"""

import socket
import struct
import threading

PREFACE_BYTES = 24
DATA, HEADERS = 0, 1
PADDED = 0x8


class Direction:
    """What one side of a connection sends."""

    def __init__(self, skip, newest_stream):
        self.rest = b""
        self.skip = skip
        self.newest_stream = newest_stream
        self.bodies = {}
        self.flags = {}

    def received(self, data):
        self.rest += data
        skipped = min(self.skip, len(self.rest))
        self.rest, self.skip = self.rest[skipped:], self.skip - skipped
        while len(self.rest) >= 9:
            length = int.from_bytes(self.rest[:3], "big")
            kind, flags, stream = struct.unpack("!BBI", self.rest[3:9])
            if len(self.rest) < 9 + length:
                return
            payload = self.rest[9 : 9 + length]
            self.rest = self.rest[9 + length :]
            if kind == HEADERS:
                self.newest_stream[0] = max(self.newest_stream[0], stream)
            elif kind == DATA:
                if flags & PADDED:
                    payload = payload[1 : length - payload[0]]
                self.body(stream, payload)

    def body(self, stream, payload):
        body = self.bodies.get(stream, b"") + payload
        while len(body) >= 5:
            length = int.from_bytes(body[1:5], "big")
            # The flag counts as soon as the prefix is there.
            key = (stream, "open")
            if not self.flags.pop(key, False):
                self.flags.setdefault(stream, []).append(body[0] == 1)
            if len(body) < 5 + length:
                self.flags[key] = True
                break
            body = body[5 + length :]
        self.bodies[stream] = body


class Tap:
    """Listens on a free port of the loopback interface and passes everything on to an address."""

    def __init__(self, host, port):
        self.target = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.requests = self.responses = None
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(self.target)
            newest_stream = [0]
            self.requests = Direction(PREFACE_BYTES, newest_stream)
            self.responses = Direction(0, newest_stream)
            for source, sink, direction in (client, server, self.requests), (server, client, self.responses):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.pump, args=(source, sink, direction), daemon=True).start()

    @staticmethod
    def pump(source, sink, direction):
        try:
            while data := source.recv(65536):
                direction.received(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            sink.close()

    def request_flags(self):
        """Which messages of the newest call's client have come compressed."""
        return self.requests.flags.setdefault(self.requests.newest_stream[0], [])

    def response_flags(self):
        """Which messages of the newest call's server have come compressed."""
        return self.responses.flags.setdefault(self.responses.newest_stream[0], [])
