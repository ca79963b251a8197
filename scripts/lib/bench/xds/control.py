"""The servers: our control plane, and a peer that somebody brought."""

from __future__ import annotations

import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench import process
from bench.xds import mesh
from bench.xds.scale import Scale
from shared.children import Child, Family

_START_SECONDS = 60.0


@dataclass
class Running:
    """A server that answers."""

    child: Child
    port: int
    # Where a peer is told of changes; ours has a registry.
    control_port: int | None = None

    def cpu_seconds(self) -> float:
        return process.cpu_seconds(self.child.pid)

    def memory_mb(self) -> float:
        return process.memory_bytes(self.child.pid) / 1e6

    def peak_mb(self) -> float:
        return process.memory_bytes(self.child.pid, "VmHWM") / 1e6


class Side(Protocol):
    """Something that serves xDS."""

    @property
    def name(self) -> str: ...

    def start(self, family: Family, directory: Path, scale: Scale) -> Running:
        """Starts it anew, with nothing from an earlier run."""


@dataclass
class Meridian:
    """Our control plane, with a store of its own and the log in a file."""

    program: Path
    name: str = field(default="Meridian", init=False)

    def start(self, family: Family, directory: Path, scale: Scale) -> Running:
        shutil.rmtree(directory / "data", ignore_errors=True)
        mesh.write(directory / "mesh.yaml", scale.clusters)
        return self.start_again(family, directory, _free_port())

    def start_again(self, family: Family, directory: Path, port: int) -> Running:
        """Starts it on what an earlier one has left in its store."""
        command: list[str | Path] = [self.program, "--listen", f"127.0.0.1:{port}"]
        command += ["--data-dir", directory / "data", "--mesh", directory / "mesh.yaml"]
        child = family.start("meridian-control", command)
        child.wait_for_output(r"^meridian-control ready on ", _START_SECONDS)
        return Running(child, port)


@dataclass
class Peer:
    """A program of somebody else's that serves the same resources.

    It is started with `--clusters N --endpoints N --variant delta|sotw`, and says `NAME ready on PORT control PORT`
    when it listens on 127.0.0.1. On the control port it takes the lines that `PeerControl` in bench-xds writes.
    """

    program: Path
    name: str = "peer"

    def start(self, family: Family, directory: Path, scale: Scale) -> Running:
        command: list[str | Path] = [self.program, "--variant", scale.variant]
        command += ["--clusters", str(scale.clusters), "--endpoints", str(scale.endpoints)]
        child = family.start("peer", command)
        ready = child.wait_for_output(r"^(.+) ready on (\d+) control (\d+)$", _START_SECONDS)
        self.name = ready.group(1)
        return Running(child, int(ready.group(2)), int(ready.group(3)))


def _free_port() -> int:
    # A restart has to find the same port again, so the system can't be left to choose one each time.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
