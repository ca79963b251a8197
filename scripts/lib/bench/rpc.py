"""`scripts/bench rpc`: our runtime and gRPC C++, each with one thread on one core."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import h2load, idle, rows, server
from bench.cores import Cores, allow_sockets
from bench.h2load import FRAME, Shape, WrongAnswers
from bench.rows import Metric, Row, Samples
from bench.server import Program, Server
from bench.verify import verify_echo
from shared import terminal
from shared.children import Family

LOADS = {
    "unary-1x100": Shape(connections=1, streams=100),
    "unary-10x100": Shape(connections=10, streams=100),
    "unary-100x10": Shape(connections=100, streams=10),
}
IDLE = {"idle-5000": 5_000}
CASES = [*LOADS, *IDLE]

_WARM_UP_REQUESTS = 20_000
_SPARE_SOCKETS = 500
_SETTLED_BYTES = 64 * 1024
_SETTLE_SECONDS = 5.0


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    cases: Sequence[str]
    runs: int
    seconds: float


@dataclass
class Bench:
    """Everything that a run needs."""

    ours: Program
    peer: Program
    cores: Cores
    family: Family
    body: Path

    def measure(self, case: str, plan: Plan) -> Samples:
        """Ours, the peer, ours, the peer …: whatever else the machine does hits both."""
        samples = Samples(case, _title(case), defaultdict(list), defaultdict(list))
        sides = ((self.ours, samples.ours), (self.peer, samples.peer))
        for run in range(plan.runs):
            for program, values in sides:
                terminal.progress(f"{case}: {program.name}, run {run + 1} of {plan.runs}")
                for metric, value in self._measure_once(program, case, plan).items():
                    values[metric].append(value)
        return samples

    def verify(self) -> None:
        """Raises unless both servers really echo."""
        for program in (self.ours, self.peer):
            with self._server(program) as running:
                verify_echo(running.port, program.name)

    def _measure_once(self, program: Program, case: str, plan: Plan) -> dict[Metric, float]:
        with self._server(program) as running:
            if case in LOADS:
                return self._load(running, LOADS[case], plan.seconds)
            return _hold(running, IDLE[case])

    @contextmanager
    def _server(self, program: Program) -> Iterator[Server]:
        running = server.start(program, self.cores.server, self.family)
        try:
            yield running
        finally:
            running.stop()

    def _load(self, running: Server, shape: Shape, seconds: float) -> dict[Metric, float]:
        def run(requests: int) -> h2load.Result:
            return h2load.run(running.port, shape, requests, self.cores.client, self.body)

        warm_up = run(_WARM_UP_REQUESTS)
        before = running.cpu_seconds()
        result = run(max(int(warm_up.requests_per_second * seconds), _WARM_UP_REQUESTS))
        used = running.cpu_seconds() - before
        return {
            rows.REQUESTS_PER_SECOND: result.requests_per_second,
            rows.CPU_SECONDS: used / result.requests * 100_000,
            rows.MEMORY: running.memory_bytes() / 1e6,
        }


def run(plan: Plan, ours: Path | None, options: tuple[str, ...]) -> list[Row]:
    """Builds, measures, prints, and returns the rows."""
    allow_sockets(max(IDLE.values()) + _SPARE_SOCKETS)
    cores = Cores.choose()
    program = Program("Meridian", ours or server.build_ours(), options)
    peer = server.build_peer()
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch, Family(Path(scratch)) as family:
        body = Path(scratch) / "request"
        body.write_bytes(FRAME)
        bench = Bench(program, peer, cores, family, body)
        bench.verify()
        terminal.good(f"grpcio got back what it sent, from {program.name} and from {peer.name}")
        terminal.note(f"server on core {cores.server}, client on core {cores.client}; {plan.runs} × each, medians")
        for case in plan.cases:
            samples = bench.measure(case, plan)
            terminal.line()
            for line in samples.lines(peer.name):
                terminal.line(line)
            found += samples.rows(peer.name)
    return found


def _hold(running: Server, count: int) -> dict[Metric, float]:
    # What the first connections allocate for good belongs to the process, not to a connection.
    with idle.connections(running.port, 10):
        before = _settled_memory(running)
    with idle.connections(running.port, count) as opened:
        after = _settled_memory(running)
        closed = idle.closed_by_server(opened)
    if closed:
        raise WrongAnswers(f"{running.child.name} closed {closed} of {count} idle connections.")
    return {rows.CONNECTION_MEMORY: (after - before) / count / 1e3}


def _settled_memory(running: Server) -> int:
    """The memory once two looks agree: the last handshakes may still be under way."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    last = running.memory_bytes()
    while True:
        time.sleep(0.2)
        now = running.memory_bytes()
        if abs(now - last) < _SETTLED_BYTES or time.monotonic() > deadline:
            return now
        last = now


def _title(case: str) -> str:
    if case in LOADS:
        shape = LOADS[case]
        return f"{case}: {shape.connections} × {shape.streams} requests at once"
    return f"{case}: {IDLE[case]:,} connections"
