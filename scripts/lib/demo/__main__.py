"""The command line of `scripts/demo`, after everything is built."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from demo import scratch, summary
from demo.fleet import REGIONS, Fleet
from demo.phases import HOME, Phase, Phases
from demo.ports import Ports
from demo.programs import CommandFailed, Programs
from shared import terminal
from shared.children import Family, Unready, exit_on_signals

_ROOT = Path(__file__).resolve().parents[3]
_LOOK_SECONDS = 0.5
_SAMPLE_LINES = 4


def main() -> int:
    options = _options()
    exit_on_signals()
    started = time.monotonic()
    directory = scratch.make(_ROOT / ".demo")
    programs = Programs(_ROOT, options.bin, options.envoy)
    status = 1
    try:
        with Family(directory) as family:
            fleet = Fleet(programs, family, options.orders)
            status = _run(fleet, options.rate, started)
            if options.keep and status == 0:
                _keep(fleet)
    except (Unready, CommandFailed) as error:
        terminal.bad(str(error))
        logs = error.logs if isinstance(error, Unready) and error.logs else [directory / "control.log"]
        summary.print_logs(logs)
    if status == 0:
        scratch.remove(directory)
    else:
        terminal.note(f"All logs are in {os.path.relpath(directory)}")
    return status


def _run(fleet: Fleet, rate: int, started: float) -> int:
    terminal.step("Starting a control plane, six workers and three sidecars")
    fleet.start_control()
    fleet.start_workers()
    fleet.start_sidecars(Ports())
    _show_report(fleet)
    terminal.step(f"Sending {rate} requests a second through the {HOME} sidecar")
    phases: list[Phase] = []
    for phase in Phases(fleet, rate).run():
        phases.append(phase)
        (terminal.bad if phase.problems else terminal.good)(f"{phase.title}: {phase.expected}")
    summary.print_table(phases)
    summary.print_problems(phases)
    if any(phase.problems for phase in phases):
        return 1
    terminal.good(f"Every phase is right, {time.monotonic() - started:.0f} s in all.")
    return 0


def _show_report(fleet: Fleet) -> None:
    """One report, so that one sees what is served."""
    text = fleet.programs.meridian(*_report(fleet))
    terminal.good("a customer's statement, through the eu sidecar:")
    for line in text.splitlines()[:_SAMPLE_LINES]:
        terminal.note(f"  {line}")


def _report(fleet: Fleet) -> list[str]:
    target = fleet.sidecars[HOME].address
    return ["report", "customer-statement", "--param", "customer=42", "--format", "csv", "--target", target]


def _keep(fleet: Fleet) -> None:
    """Leaves everything running, says how to talk to it, and waits for Ctrl-C."""
    meridian = os.path.relpath(fleet.programs.directory / "meridian")
    control = f"--control {fleet.control}"
    terminal.line()
    terminal.step("Everything keeps running. Talk to it:")
    for command in (
        f"get workers {control}",
        f"get proxies {control}",
        f"shares reports --from eu eu=50 us=30 ap=20 {control}",
        f"load --target {fleet.sidecars[HOME].address} --rate 300 --duration 5",
        " ".join(_report(fleet)),
    ):
        terminal.line(f"    {meridian} {command}")
    for region in REGIONS:
        sidecar = fleet.sidecars[region]
        terminal.note(f"{region}: reports on {sidecar.address}, Envoy's own view on http://{sidecar.admin.address}")
    names = ", ".join(f"{worker.name} {worker.child.pid}" for worker in fleet.workers.values())
    terminal.note(f"workers to kill, by process: {names}")
    terminal.note(f"logs: {os.path.relpath(fleet.family.directory)}")
    terminal.line("  Ctrl-C stops everything.")
    running = fleet.children
    try:
        while running:
            time.sleep(_LOOK_SECONDS)
            for child in [child for child in running if not child.is_running]:
                terminal.note(f"{child.name} has ended")
                running.remove(child)
    except KeyboardInterrupt:
        terminal.line()
        terminal.step("Stopping")


def _options() -> argparse.Namespace:
    # The shell script looks for --bin by its full name.
    parser = argparse.ArgumentParser(prog="scripts/demo", allow_abbrev=False)
    parser.add_argument("--keep", action="store_true", help="leave everything running, until Ctrl-C")
    parser.add_argument("--orders", type=int, default=100_000, metavar="N", help="orders in each sample database")
    parser.add_argument("--rate", type=int, default=300, metavar="N", help="requests a second")
    parser.add_argument("--bin", type=Path, required=True, metavar="DIR", help="use the programs built in DIR")
    parser.add_argument("--envoy", type=Path, required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        terminal.line()
        terminal.bad("interrupted; everything is stopped")
        sys.exit(130)
