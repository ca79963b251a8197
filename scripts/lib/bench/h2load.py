"""nghttp2's load generator, told to speak gRPC."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

PATH = "/echo.Echo/Unary"
# A message with one `bytes` field of 64 bytes.
MESSAGE = b"\x0a\x40" + bytes(range(64))
FRAME = b"\x00" + len(MESSAGE).to_bytes(4, "big") + MESSAGE


class WrongAnswers(Exception):
    """The server answered something else than what was asked for, so its speed means nothing."""


@dataclass(frozen=True)
class Shape:
    """How many connections with how many requests at once on each."""

    connections: int
    streams: int


@dataclass(frozen=True)
class Result:
    """A finished run in which every answer was right."""

    requests: int
    requests_per_second: float


def run(port: int, shape: Shape, requests: int, core: int, body: Path, tls: bool = False) -> Result:
    """Sends the requests as fast as they are answered."""
    command = ["taskset", "-c", str(core), "h2load", "-n", str(requests)]
    command += ["-c", str(shape.connections), "-m", str(shape.streams), "-d", str(body)]
    command += ["-H", "te: trailers", "-H", "content-type: application/grpc"]
    command.append(f"{'https' if tls else 'http'}://127.0.0.1:{port}{PATH}")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise WrongAnswers(f"h2load ended with status {done.returncode}: {done.stderr.strip()}")
    return _parse(done.stdout, requests)


def _parse(text: str, requests: int) -> Result:
    rate = _number(r"finished in [^,]+, ([\d.]+) req/s", text)
    succeeded = int(_number(r", (\d+) succeeded", text))
    accepted = int(_number(r"status codes: (\d+) 2xx", text))
    if succeeded != requests or accepted != requests:
        raise WrongAnswers(f"Of {requests} requests {succeeded} succeeded and {accepted} had a 2xx status.")
    # A gRPC error is an HTTP 200 without a message: the bytes give it away.
    received = int(_number(r"traffic: .*\((\d+)\) data", text))
    if received != requests * len(FRAME):
        raise WrongAnswers(f"The answers carried {received} bytes of messages, not {requests * len(FRAME)}.")
    return Result(requests, rate)


def _number(pattern: str, text: str) -> float:
    match = re.search(pattern, text)
    if match is None:
        raise WrongAnswers(f"h2load printed nothing like “{pattern}”:\n{text}")
    return float(match.group(1))
