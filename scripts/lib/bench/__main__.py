"""The command line of `scripts/bench`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from bench import rows, rpc
from bench.cases import CASES
from bench.cores import Unsuitable
from bench.h2load import WrongAnswers
from shared import terminal
from shared.children import Unready, exit_on_signals

_RUNS = 3
_SECONDS = 4.0
_QUICK_SECONDS = 1.0


def main() -> int:
    options = _options()
    exit_on_signals()
    runs = options.runs or (1 if options.quick else _RUNS)
    plan = rpc.Plan(options.case or list(CASES), runs, _QUICK_SECONDS if options.quick else _SECONDS)
    try:
        built = rpc.Built(options.server, options.client, ("--inline",) if options.inline else ())
        found = rpc.run(plan, built)
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


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures Meridian against a peer.")
    parser.add_argument("name", choices=["rpc"], help="what to measure: rpc is the gRPC runtime against gRPC C++")
    parser.add_argument("--case", action="append", choices=list(CASES), help="only this case; may be repeated")
    parser.add_argument("--quick", action="store_true", help="one short run of each: for a look, not for a claim")
    parser.add_argument("--runs", type=int, help=f"how often each side runs; {_RUNS} unless --quick")
    parser.add_argument("--inline", action="store_true", help="measure our inline handler instead of the async one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE")
    parser.add_argument("--server", type=Path, metavar="FILE", help="use this server as ours instead of building it")
    parser.add_argument("--client", type=Path, metavar="FILE", help="use this client as ours instead of building it")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        terminal.line()
        sys.exit(130)
