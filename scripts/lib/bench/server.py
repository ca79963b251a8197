"""The echo servers: how they are built, started on their core, and measured from outside."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from shared import terminal
from shared.children import Child, Family

ROOT = Path(__file__).resolve().parents[3]
_PEER_SOURCES = ROOT / "scripts/lib/bench/peers/grpc-cpp"
_PEER_BUILD = ROOT / ".build/bench-peers/grpc-cpp"
_START_SECONDS = 20.0
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Program:
    """A built echo server."""

    name: str
    path: Path
    options: tuple[str, ...] = ()


@dataclass
class Server:
    """A running echo server."""

    child: Child
    port: int

    def cpu_seconds(self) -> float:
        """What all its threads have used so far."""
        # The program's name is in parentheses and may contain anything.
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        user, system = int(fields[11]), int(fields[12])
        return (user + system) / _TICKS_PER_SECOND

    def memory_bytes(self) -> int:
        """What is resident now."""
        for line in Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"{self.child.name} has no resident memory; has it ended?")

    def stop(self) -> None:
        self.child.kill()


def start(program: Program, core: int, family: Family) -> Server:
    """Starts a server with one thread on one core, and waits until it listens."""
    pinned = ["taskset", "-c", str(core), str(program.path)]
    child = family.start(program.name, [*pinned, "--port", "0", "--threads", "1", *program.options], program.path.name)
    ready = child.wait_for_output(r"^ready on [0-9.]+:(\d+)$", _START_SECONDS)
    return Server(child, int(ready.group(1)))


def build_ours() -> Path:
    """Builds `bench-echo` with the optimiser on."""
    terminal.step("Building bench-echo (release)")
    command = ["swift", "build", "-c", "release", "--product", "bench-echo"]
    subprocess.run(command, cwd=ROOT, check=True)
    directory = subprocess.run(
        [*command[:4], "--show-bin-path"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
    return Path(directory) / "bench-echo"


def build_peer() -> Program:
    """Builds the gRPC C++ server against the distribution's library."""
    terminal.step("Building the gRPC C++ peer")
    subprocess.run(["make", "--silent", "-C", _PEER_SOURCES, f"OUT={_PEER_BUILD}"], check=True)
    version = subprocess.run(
        ["pkg-config", "--modversion", "grpc++"], check=True, capture_output=True, text=True
    ).stdout.strip()
    return Program(f"gRPC C++ {'.'.join(version.split('.')[:2])}", _PEER_BUILD / "echo-server")
