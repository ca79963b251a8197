"""The command line of `scripts/bench`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from bench import rows, rpc
from bench.cases import CASES as RPC_CASES
from bench.cores import Unsuitable
from bench.h2load import WrongAnswers
from bench.rows import Row
from bench.xds import run as xds
from bench.xds.cases import CASES as XDS_CASES
from shared import terminal
from shared.children import Unready, exit_on_signals

_RUNS = 3
_SECONDS = 4.0
_QUICK_SECONDS = 1.0
_CHANGES = 200
_QUICK_CHANGES = 40
_SLOW_CHANGES = 5_000
_QUICK_SLOW_CHANGES = 200
_CHURN_SECONDS = 20
_QUICK_CHURN_SECONDS = 3


def main() -> int:
    options = _options()
    exit_on_signals()
    try:
        found = options.measure(options)
    except (Unsuitable, Unready, WrongAnswers) as error:
        terminal.bad(str(error))
        return 1
    except subprocess.CalledProcessError as error:
        terminal.bad(f"{error.cmd[0]} ended with status {error.returncode}.")
        return 1
    if options.json:
        rows.write(options.json, found)
        terminal.note(f"rows written to {options.json}")
    return 0


def _rpc(options: argparse.Namespace) -> list[Row]:
    runs = options.runs or (1 if options.quick else _RUNS)
    plan = rpc.Plan(options.case or list(RPC_CASES), runs, _QUICK_SECONDS if options.quick else _SECONDS)
    return rpc.run(plan, rpc.Built(options.server, options.client, ("--inline",) if options.inline else ()))


def _xds(options: argparse.Namespace) -> list[Row]:
    scale = {name: getattr(options, name) for name in ("streams", "clusters", "endpoints", "extensions")}
    quick = options.quick
    plan = xds.Plan(
        cases=options.case or list(XDS_CASES),
        runs=options.runs or 1,
        changes=options.changes or (_QUICK_CHANGES if quick else _CHANGES),
        slow_changes=options.changes or (_QUICK_SLOW_CHANGES if quick else _SLOW_CHANGES),
        churn_seconds=_QUICK_CHURN_SECONDS if quick else _CHURN_SECONDS,
        scale={name: value for name, value in scale.items() if value is not None},
    )
    return xds.run(plan, xds.Programs(options.server, options.client, options.peer))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures Meridian against a peer.")
    names = parser.add_subparsers(required=True, metavar="NAME", help="what to measure")
    rpc_parser = names.add_parser("rpc", help="the gRPC runtime against gRPC C++")
    _add_common(rpc_parser, list(RPC_CASES), runs=f"{_RUNS} unless --quick")
    rpc_parser.add_argument("--inline", action="store_true", help="measure our inline handler instead of the async one")
    rpc_parser.set_defaults(measure=_rpc)
    xds_parser = names.add_parser("xds", help="the control plane under thousands of sidecars")
    _add_common(xds_parser, list(XDS_CASES), runs="once")
    xds_parser.add_argument("--streams", type=int, help="sidecars, instead of each case's own number")
    xds_parser.add_argument("--clusters", type=int, help="services of the mesh")
    xds_parser.add_argument("--endpoints", type=int, help="workers of each service")
    xds_parser.add_argument("--extensions", type=int, help="extensions that each node names; 516 are Envoy's 61 kB")
    xds_parser.add_argument("--changes", type=int, help=f"changes; {_CHANGES}, or {_SLOW_CHANGES:,} with slow readers")
    xds_parser.add_argument("--peer", type=Path, metavar="PROGRAM", help="another server of the same resources")
    xds_parser.set_defaults(measure=_xds)
    return parser.parse_args()


def _add_common(parser: argparse.ArgumentParser, cases: list[str], runs: str) -> None:
    parser.add_argument("--case", action="append", choices=cases, help="only this case; may be repeated")
    parser.add_argument("--quick", action="store_true", help="one short run of each: for a look, not for a claim")
    parser.add_argument("--runs", type=int, help=f"how often each side runs; {runs}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE")
    parser.add_argument("--server", type=Path, metavar="FILE", help="use this server as ours instead of building it")
    parser.add_argument("--client", type=Path, metavar="FILE", help="use this client as ours instead of building it")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        terminal.line()
        sys.exit(130)
