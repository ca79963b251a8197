"""The project's own load generator, for what h2load can't do: streams, and calls at a constant rate."""

from __future__ import annotations

import json
import subprocess
from array import array
from dataclasses import dataclass
from pathlib import Path

from hdrh.histogram import HdrHistogram

from bench.h2load import Shape, WrongAnswers
from bench.server import Program

_WARM_UP_SECONDS = 1.0
_SPARE_SECONDS = 60.0
# From a microsecond to a minute, with three significant digits.
_LOWEST_NANOSECONDS = 1_000
_HIGHEST_NANOSECONDS = 60_000_000_000
_DIGITS = 3


@dataclass(frozen=True)
class Streamed:
    """Messages that came back on bidirectional streams, and what the generator used of its core."""

    messages: int
    # With the warm-up and what was in flight at the end.
    all_messages: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Latencies:
    """Latencies from the intended start of each call, and what of it the generator itself adds."""

    histogram: HdrHistogram
    lateness_p99_ms: float

    def percentile_ms(self, percentile: float) -> float:
        return self.histogram.get_value_at_percentile(percentile) / 1e6


def stream(program: Program, port: int, shape: Shape, window: int, seconds: float, core: int) -> Streamed:
    """Keeps `window` messages in flight on each stream."""
    arguments = [*options(port, shape, seconds), "--window", str(window)]
    return Streamed(**run(program, ["bidi", *arguments], core, seconds))


def unary_at_rate(
    program: Program, port: int, shape: Shape, rate: float, seconds: float, core: int, scratch: Path
) -> Latencies:
    """Starts a call whenever one is due, however the server keeps up."""
    file = scratch / "latencies"
    arguments = [*options(port, shape, seconds), "--rate", str(int(rate)), "--latencies", str(file)]
    found = run(program, ["unary", *arguments], core, seconds)
    values = array("q", file.read_bytes())
    if len(values) != found["calls"]:
        raise WrongAnswers(f"{program.name} wrote {len(values)} latencies of {found['calls']} calls.")
    histogram = HdrHistogram(_LOWEST_NANOSECONDS, _HIGHEST_NANOSECONDS, _DIGITS)
    for value in values:
        histogram.record_value(value)
    return Latencies(histogram, found["lateness_p99_ns"] / 1e6)


def run(program: Program, arguments: list[str], core: int, seconds: float) -> dict[str, float]:
    """Runs a client that warms up, counts for some seconds, and prints a JSON object."""
    command = ["taskset", "-c", str(core), str(program.path), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + _SPARE_SECONDS)
    except subprocess.TimeoutExpired:
        raise WrongAnswers(f"{program.name} had not ended after {seconds + _SPARE_SECONDS:.0f} s.") from None
    if done.returncode != 0:
        raise WrongAnswers(f"{program.name} ended with status {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def options(port: int, shape: Shape, seconds: float) -> list[str]:
    """The options that all our clients have."""
    values = {"port": port, "connections": shape.connections, "streams": shape.streams}
    values |= {"warm-up": _WARM_UP_SECONDS, "seconds": seconds}
    return [part for name, value in values.items() for part in (f"--{name}", str(value))]
