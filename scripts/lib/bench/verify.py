"""A look at the echo through a client that none of the servers' authors wrote: grpcio."""

from __future__ import annotations

import os
from collections.abc import Iterator

import grpc

from bench.certificate import Certificate
from bench.h2load import MESSAGE, PATH, WrongAnswers

_DEADLINE_SECONDS = 10.0
_LARGE_BYTES = 300_000  # More than HTTP/2's first flow-control window.


def verify_echo(port: int, name: str, certificate: Certificate | None = None) -> None:
    """Raises unless unary calls and streams hand back exactly what was sent."""
    with _channel(f"127.0.0.1:{port}", certificate) as channel:
        try:
            _verify_unary(channel, name)
            _verify_stream(channel, name)
        except grpc.RpcError as error:
            raise WrongAnswers(f"{name} failed a call of grpcio: {error.code().name}: {error.details()}") from error


def _channel(address: str, certificate: Certificate | None) -> grpc.Channel:
    if certificate is None:
        return grpc.insecure_channel(address)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(certificate.certificate.read_bytes()))


def _verify_unary(channel: grpc.Channel, name: str) -> None:
    call = channel.unary_unary(PATH)
    for sent in (MESSAGE, b"", os.urandom(_LARGE_BYTES)):
        if call(sent, timeout=_DEADLINE_SECONDS) != sent:
            raise WrongAnswers(f"{name} does not echo a message of {len(sent)} bytes.")


def _verify_stream(channel: grpc.Channel, name: str) -> None:
    sent = [f"message {number}".encode() for number in range(10)]

    def requests() -> Iterator[bytes]:
        yield from sent

    received = list(channel.stream_stream("/echo.Echo/Bidi")(requests(), timeout=_DEADLINE_SECONDS))
    if received != sent:
        raise WrongAnswers(f"{name} does not echo a stream: {len(received)} of {len(sent)} messages came back.")
