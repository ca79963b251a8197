"""`scripts/bench xds`: our control plane, and a peer if somebody brings one."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import server
from bench.cores import allow_sockets
from bench.rows import Metric, Row, Samples
from bench.xds.cases import CASES, Case, Setting
from bench.xds.control import Meridian, Peer, Side
from shared import terminal
from shared.children import Family

# The measurements behind the figures that stand in for a peer.
_RECORDED = "go-control-plane, recorded"
_SPARE_SOCKETS = 1_000


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    cases: Sequence[str]
    runs: int
    changes: int
    slow_changes: int
    churn_seconds: int
    # What differs from each case's own scale.
    scale: Mapping[str, Any]


@dataclass(frozen=True)
class Programs:
    """Programs that are there already; ours are built when they are not."""

    control: Path | None = None
    load: Path | None = None
    peer: Path | None = None


def run(plan: Plan, programs: Programs) -> list[Row]:
    """Builds, measures, prints, and returns the rows."""
    cases = {name: CASES[name].scaled(plan.scale) for name in plan.cases}
    allow_sockets(max(case.most_streams for case in cases.values()) + _SPARE_SOCKETS)
    ours = Meridian(programs.control or server.build_ours("meridian-control"))
    load = programs.load or server.build_ours("bench-xds")
    peer = Peer(programs.peer) if programs.peer else None
    if peer is None:
        terminal.note("no --peer: what stands beside ours was measured once, on the same kind of machine")
    found: list[Row] = []
    for name, case in cases.items():
        with tempfile.TemporaryDirectory() as directory, Family(Path(directory)) as family:
            setting = Setting(load, family, Path(directory), plan.changes, plan.slow_changes, plan.churn_seconds)
            samples = _measure(name, case, setting, ours, peer, plan)
        peer_name = (peer.name if peer else _RECORDED) if samples.peer else "no peer"
        terminal.line()
        for line in samples.lines(peer_name):
            terminal.line(line)
        found += samples.rows(peer_name)
    return found


def _measure(name: str, case: Case, setting: Setting, ours: Side, peer: Side | None, plan: Plan) -> Samples:
    """Ours, the peer, ours, the peer …: whatever else the machine does hits both."""
    samples = Samples(name, f"{name}: {case.title}", case.musts, defaultdict(list), defaultdict(list))
    sides: list[tuple[Side, dict[Metric, list[float]]]] = [(ours, samples.ours)]
    if peer and case.is_for_peers:
        sides.append((peer, samples.peer))
    for number in range(plan.runs):
        for side, values in sides:
            terminal.progress(f"{name}: {side.name}, run {number + 1} of {plan.runs}")
            for metric, value in case.measure(setting, side).items():
                values[metric].append(value)
    if not peer and not plan.scale:
        for metric, value in case.recorded.items():
            samples.peer[metric].append(value)
    return samples
