"""What the worker registry costs: `scripts/bench registry`.

Workers of our own program, each on a connection of its own, against one control plane on a core of its own. There is no
peer: what is asked of it stands in the table.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench import rows
from bench.cores import Cores, Unsuitable, allow_sockets
from bench.rows import Metric, Must, Row
from bench.server import ROOT, Server, build_ours
from shared import terminal
from shared.children import Child, Family, Unready, exit_on_signals

_MESH = ROOT / "xds/examples/three-regions.yaml"
_START_SECONDS = 20.0
_ARRIVAL_SECONDS = 120.0
_CHURN_LOOPS = 64

CPU = Metric("cpu_percent", "%", "the control plane's CPU, % of a core", 1)
MEMORY = Metric("rss_mb", "MB", "memory, MB", 1)
GROWTH = Metric("rss_growth_mb", "MB", "memory gained meanwhile, MB", 1)
HEARTBEATS = Metric("heartbeats_per_second", "1/s", "heartbeats a second", 0, more_is_better=True)
PAIRS = Metric("pairs_per_second", "1/s", "workers registered and gone, a second", 0, more_is_better=True)
FAILURES = Metric("failures", "1", "streams that ended on their own", 0)


@dataclass(frozen=True)
class Case:
    """One kind of load."""

    name: str
    title: str
    hold: int
    churn: int
    musts: dict[Metric, Must]


CASES = {
    case.name: case
    for case in (
        Case("hold-10000", "10,000 workers hold their leases", 10_000, 0, {CPU: Must(ours=50), FAILURES: Must(ours=0)}),
        Case("churn", "workers register and leave", 0, _CHURN_LOOPS, {PAIRS: Must(ours=1_000), FAILURES: Must(ours=0)}),
    )
}


class Failed(Exception):
    """The load did not come about."""


def main() -> int:
    options = _options()
    exit_on_signals()
    seconds = 5 if options.quick else 30
    control = options.control or build_ours("meridian-control")
    client = options.client or build_ours("bench-registry")
    found: list[Row] = []
    try:
        cores = Cores.choose()
        allow_sockets(12_000)
        for name in options.case or list(CASES):
            found += _run(CASES[name], control, client, cores, seconds)
    except (Unsuitable, Unready, Failed) as error:
        terminal.bad(str(error))
        return 1
    if options.json:
        rows.write(options.json, found)
        terminal.note(f"rows written to {options.json}")
    return 0


def _run(case: Case, control: Path, client: Path, cores: Cores, seconds: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="meridian-bench-") as directory:
        family = Family(Path(directory))
        try:
            values = _measure(case, family, control, client, cores, seconds)
        finally:
            family.stop()
    body = []
    for metric, value in values.items():
        must = case.musts.get(metric)
        row = Row(case.name, metric.name, round(value, metric.digits), None, None, None, 1, metric.unit)
        met = "" if must is None else terminal.styled(must.text(metric), "green" if must.is_met(metric, row) else "red")
        body.append((row, [metric.title, f"{value:,.{metric.digits}f}", met]))
    for line in terminal.table([case.title, "Meridian", "must"], [cells for _, cells in body]):
        terminal.line(line)
    return [row for row, _ in body]


def _measure(
    case: Case, family: Family, control: Path, client: Path, cores: Cores, seconds: int
) -> dict[Metric, float]:
    server = _start_control(family, control, cores)
    command = ["taskset", "-c", str(cores.client), client, "--port", str(server.port), "--seconds", str(seconds)]
    workers = family.start("workers", [*command, "--hold", str(case.hold), "--churn", str(case.churn)])
    workers.wait_for_output(r"^ready$", _ARRIVAL_SECONDS)
    begun, cpu, memory = time.monotonic(), server.cpu_seconds(), server.memory_bytes()
    failures = int(workers.wait_for_output(r"^failures (\d+)$", seconds + _START_SECONDS).group(1))
    passed = time.monotonic() - begun
    values = {
        CPU: 100 * (server.cpu_seconds() - cpu) / passed,
        MEMORY: server.memory_bytes() / 1e6,
        GROWTH: (server.memory_bytes() - memory) / 1e6,
        FAILURES: float(failures),
    }
    if case.hold:
        values[HEARTBEATS] = _count(workers, "heartbeats") / seconds
    if case.churn:
        values[PAIRS] = _count(workers, "pairs") / seconds
    return values


def _start_control(family: Family, control: Path, cores: Cores) -> Server:
    data = family.directory / "data"
    command = ["taskset", "-c", str(cores.server), control, "--mesh", _MESH, "--listen", "127.0.0.1:0"]
    child = family.start("control", [*command, "--data-dir", data])
    ready = child.wait_for_output(r"^meridian-control ready on [0-9.]+:(\d+)$", _START_SECONDS)
    return Server(child, int(ready.group(1)))


def _count(workers: Child, what: str) -> int:
    return int(workers.wait_for_output(rf"^{what} (\d+)$", _START_SECONDS).group(1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench registry", description="Measures the worker registry.")
    parser.add_argument("--case", action="append", choices=list(CASES), help="only this case; may be repeated")
    parser.add_argument("--quick", action="store_true", help="five seconds of each: for a look, not for a claim")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE")
    parser.add_argument("--control", type=Path, metavar="FILE", help="use this meridian-control instead of building it")
    parser.add_argument("--client", type=Path, metavar="FILE", help="use this bench-registry instead of building it")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        terminal.line()
        sys.exit(130)
