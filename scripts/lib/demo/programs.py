"""The programs that the demo starts, and their command lines."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Command = list[str | Path]

_SEED = "42"
_CAPACITY = "64"
_CALL_SECONDS = 20.0


class CommandFailed(Exception):
    """`meridian` refused."""


@dataclass(frozen=True)
class Programs:
    """Where the programs and their inputs are."""

    root: Path
    directory: Path
    envoy_binary: Path

    def control(self, listen: str, data: Path) -> Command:
        mesh = self.root / "xds/examples/three-regions.yaml"
        return [self._path("meridian-control"), "--mesh", mesh, "--listen", listen, "--data-dir", data]

    def worker(self, name: str, region: str, zone: str, control: str, database: Path, orders: int) -> Command:
        command: Command = [self._path("meridian-worker"), "--control", control, "--id", name]
        command += ["--service", "reports", "--region", region, "--zone", zone, "--listen", "127.0.0.1:0"]
        command += ["--database", database, "--seed", _SEED, "--orders", str(orders)]
        return [*command, "--reports", self.root / "xds/examples/reports", "--capacity", _CAPACITY]

    def bootstrap(self, node: str, region: str, control: str, listen: str, admin: str) -> Command:
        command: Command = ["bootstrap", "--node", node, "--region", region, "--zone", f"{region}-a"]
        return [*command, "--control", control, "--listen", listen, "--admin", admin]

    def envoy(self, bootstrap: Path) -> Command:
        # Hot restart needs memory shared by name, which several Envoys on one machine would fight for.
        return [self.envoy_binary, "-c", bootstrap, "--concurrency", "1", "--disable-hot-restart"]

    def load(self, target: str, rate: int, seconds: int, result: Path) -> Command:
        command: Command = [self._path("meridian"), "load", "--target", target, "--rate", str(rate)]
        return [*command, "--duration", str(seconds), "--connections", "4", "--seed", "7", "--json", result]

    def meridian(self, *arguments: str | Path) -> str:
        """Runs the command line tool and returns what it prints."""
        command = [str(self._path("meridian")), *map(str, arguments)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_CALL_SECONDS)
        except subprocess.TimeoutExpired:
            raise CommandFailed(f"meridian {arguments[0]} did not end within {_CALL_SECONDS:.0f} s.") from None
        if done.returncode != 0:
            words = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise CommandFailed(f"meridian {arguments[0]} ended with {done.returncode}: {' '.join(words[-3:])}")
        return done.stdout

    def get(self, what: str, control: str) -> dict[str, Any]:
        """What `meridian get … --json` answers."""
        answer: dict[str, Any] = json.loads(self.meridian("get", what, "--json", "--control", control))
        return answer

    def _path(self, name: str) -> Path:
        return self.directory / name


def field(message: dict[str, Any], name: str) -> Any:
    """A field by its name in the .proto file; protobuf's JSON may spell it in camel case."""
    first, *rest = name.split("_")
    return message.get(name, message.get(first + "".join(word.capitalize() for word in rest)))
