"""`scripts/bench rpc`: our runtime and gRPC C++, each with one thread on one core."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import certificate, server
from bench.case import Case, Setting
from bench.cases import CASES, MOST_CONNECTIONS
from bench.cores import Cores, allow_sockets
from bench.h2load import FRAME
from bench.rows import Row, Samples
from bench.server import Program, Side
from bench.verify import verify_echo
from shared import terminal
from shared.children import Family

_SPARE_SOCKETS = 500


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    cases: Sequence[str]
    runs: int
    seconds: float


@dataclass(frozen=True)
class Built:
    """Programs of ours that are there already; what is missing is built."""

    server: Path | None = None
    client: Path | None = None
    server_options: tuple[str, ...] = ()


def run(plan: Plan, built: Built) -> list[Row]:
    """Builds, measures, prints, and returns the rows."""
    allow_sockets(MOST_CONNECTIONS + _SPARE_SOCKETS)
    cores = Cores.choose()
    ours = Side(
        "Meridian",
        Program("Meridian", built.server or server.build_ours("bench-echo"), built.server_options),
        Program("Meridian's client", built.client or server.build_ours("bench-load")),
    )
    peer = server.build_peer()
    load = server.build_load()
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as directory, Family(Path(directory)) as family:
        scratch = Path(directory)
        body = scratch / "request"
        body.write_bytes(FRAME)
        setting = Setting(ours, peer, load, cores, family, scratch, body, certificate.make(scratch))
        _verify(setting, tls=any(CASES[name].tls for name in plan.cases))
        terminal.note(f"server on core {cores.server}, client on core {cores.client}; {plan.runs} × each, medians")
        for name in plan.cases:
            samples = _measure(name, CASES[name], setting, plan)
            terminal.line()
            for line in samples.lines(peer.name):
                terminal.line(line)
            found += samples.rows(peer.name)
    return found


def _verify(setting: Setting, tls: bool) -> None:
    """Raises unless both servers really echo, over TLS too when a case needs it."""
    for side in (setting.ours, setting.peer):
        with setting.serving(side) as running:
            verify_echo(running.port, side.name)
        if tls:
            with setting.serving(side, tls=True) as running:
                verify_echo(running.port, side.name, setting.certificate)
    terminal.good(f"grpcio got back what it sent, from {setting.ours.name} and from {setting.peer.name}")


def _measure(name: str, case: Case, setting: Setting, plan: Plan) -> Samples:
    """Ours, the peer, ours, the peer …: whatever else the machine does hits both."""
    samples = Samples(name, f"{name}: {case.title}", case.musts, defaultdict(list), defaultdict(list))
    terminal.progress(f"{name}: getting ready")
    case.prepare(setting, plan.runs, plan.seconds)
    sides = ((setting.ours, samples.ours), (setting.peer, samples.peer))
    for number in range(plan.runs):
        for side, values in sides:
            terminal.progress(f"{name}: {side.name}, run {number + 1} of {plan.runs}")
            for metric, value in case.measure(setting, side, plan.seconds).items():
                values[metric].append(value)
    return samples
