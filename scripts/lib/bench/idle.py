"""Connections that are open and do nothing, as most of a fleet's are at any moment."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from bench.h2load import WrongAnswers

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADER_BYTES = 9
_SETTINGS = 0x4
_ACK = 0x1
_DEADLINE_SECONDS = 30.0


@contextmanager
def connections(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Opens connections, each through the whole HTTP/2 handshake, and closes them at the end."""
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            opened.append(_connect(port))
        yield opened
    finally:
        for connection in opened:
            connection.close()


def closed_by_server(opened: list[socket.socket]) -> int:
    """How many of the connections the server has closed meanwhile."""
    poll = select.poll()
    by_descriptor = {connection.fileno(): connection for connection in opened}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    # Frames such as PING are readable too; only the end of the stream reads as nothing.
    return sum(by_descriptor[ready].recv(1, socket.MSG_PEEK) == b"" for ready, _ in poll.poll(0))


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=_DEADLINE_SECONDS)
    connection.sendall(_PREFACE + _frame(_SETTINGS))
    acknowledged = answered = False
    while not (acknowledged and answered):
        kind, flags = _read_frame(connection)
        if kind == _SETTINGS and flags & _ACK:
            acknowledged = True
        elif kind == _SETTINGS:
            connection.sendall(_frame(_SETTINGS, flags=_ACK))
            answered = True
    return connection


def _frame(kind: int, flags: int = 0) -> bytes:
    return struct.pack(">HBBBI", 0, 0, kind, flags, 0)


def _read_frame(connection: socket.socket) -> tuple[int, int]:
    header = _read(connection, _HEADER_BYTES)
    _read(connection, int.from_bytes(header[:3], "big"))
    return header[3], header[4]


def _read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise WrongAnswers("The server closed a connection during the HTTP/2 handshake.")
        data += part
    return data
