"""Connections that are open and do nothing, as most of a fleet's are at any moment."""

from __future__ import annotations

import select
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.h2load import WrongAnswers

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADER_BYTES = 9
_SETTINGS = 0x4
_PING = 0x6
_ACK = 0x1
_DEADLINE_SECONDS = 30.0
# How many are opened between two looks at what the server wants of those that are open.
_ANSWERED_EVERY = 1_000
# Closing leaves no port behind for a minute (TIME_WAIT), of which there are fewer than three runs need.
_CLOSE_AT_ONCE = struct.pack("ii", 1, 0)


class Connections:
    """Open connections that still answer the server's PINGs, as any client does."""

    def __init__(self) -> None:
        self._open: dict[int, socket.socket] = {}
        self._poll = select.poll()
        self.closed = 0

    def add(self, connection: socket.socket) -> None:
        self._open[connection.fileno()] = connection
        self._poll.register(connection, select.POLLIN)

    def answer(self) -> None:
        """Reads what has come meanwhile, and counts the connections that the server has closed."""
        for ready, _ in self._poll.poll(0):
            if not _answer(self._open[ready]):
                self.closed += 1
                self._poll.unregister(ready)

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()


@contextmanager
def connections(port: int, count: int, root: Path | None = None) -> Iterator[Connections]:
    """Opens connections, each through the whole HTTP/2 handshake, over TLS when there is a root certificate."""
    context = _client_context(root) if root else None
    opened = Connections()
    try:
        for number in range(count):
            opened.add(_connect(port, context))
            if number % _ANSWERED_EVERY == 0:
                opened.answer()
        yield opened
    finally:
        opened.close()


def _client_context(root: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(root))
    context.set_alpn_protocols(["h2"])
    return context


def _connect(port: int, context: ssl.SSLContext | None) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=_DEADLINE_SECONDS)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSE_AT_ONCE)
    if context:
        connection = context.wrap_socket(connection, server_hostname="127.0.0.1")
        if connection.selected_alpn_protocol() != "h2":
            raise WrongAnswers("The server did not choose h2 in the TLS handshake.")
    connection.sendall(_PREFACE + _frame(_SETTINGS))
    acknowledged = answered = False
    while not (acknowledged and answered):
        kind, flags, _ = _read_frame(connection)
        if kind == _SETTINGS and flags & _ACK:
            acknowledged = True
        elif kind == _SETTINGS:
            connection.sendall(_frame(_SETTINGS, flags=_ACK))
            answered = True
    return connection


def _answer(connection: socket.socket) -> bool:
    """Whether the connection is still open, once the PINGs in what has come are answered."""
    connection.setblocking(False)
    try:
        while True:
            start = connection.recv(1)
            if not start:
                return False
            connection.settimeout(_DEADLINE_SECONDS)
            kind, flags, payload = _read_frame(connection, start)
            if kind == _PING and not flags & _ACK:
                connection.sendall(_frame(_PING, flags=_ACK, payload=payload))
            connection.setblocking(False)
    except (BlockingIOError, ssl.SSLWantReadError):
        # Nothing more; what woke us may have been a TLS record without data, such as a session ticket.
        return True
    except ConnectionError:
        return False


def _frame(kind: int, flags: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack(">HBBBI", 0, len(payload), kind, flags, 0) + payload


def _read_frame(connection: socket.socket, start: bytes = b"") -> tuple[int, int, bytes]:
    header = start + _read(connection, _HEADER_BYTES - len(start))
    return header[3], header[4], _read(connection, int.from_bytes(header[:3], "big"))


def _read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise WrongAnswers("The server closed a connection inside a frame.")
        data += part
    return data
