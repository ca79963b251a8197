"""The programs: how they are built, and how servers are started on their core and measured from outside."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench import process
from bench.certificate import Certificate
from shared import terminal
from shared.children import Child, Family

ROOT = Path(__file__).resolve().parents[3]
_PEER_SOURCES = ROOT / "scripts/lib/bench/peers/grpc-cpp"
_PEER_BUILD = ROOT / ".build/bench-peers/grpc-cpp"
_LOAD_SOURCES = ROOT / "scripts/lib/bench/load"
_LOAD_BUILD = ROOT / ".build/bench-load-cpp"
_START_SECONDS = 20.0


@dataclass(frozen=True)
class Program:
    """A built program."""

    name: str
    path: Path
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Side:
    """One of the two runtimes that are compared: its echo server, and the client that is its own."""

    name: str
    server: Program
    client: Program


@dataclass
class Server:
    """A running echo server."""

    child: Child
    port: int

    def cpu_seconds(self) -> float:
        """What all its threads have used so far."""
        return process.cpu_seconds(self.child.pid)

    def memory_bytes(self) -> int:
        """What is resident now."""
        return process.memory_bytes(self.child.pid)

    def stop(self) -> None:
        self.child.kill()


def start(program: Program, core: int, family: Family, certificate: Certificate | None = None) -> Server:
    """Starts a server with one thread on one core, over TLS when there is a certificate, and waits until it listens."""
    command = ["taskset", "-c", str(core), str(program.path), "--port", "0", "--threads", "1", *program.options]
    if certificate:
        command += ["--tls-certificate", str(certificate.certificate), "--tls-key", str(certificate.key)]
    child = family.start(program.name, command, program.path.name)
    ready = child.wait_for_output(r"^ready on [0-9.]+:(\d+)$", _START_SECONDS)
    return Server(child, int(ready.group(1)))


def build_ours(product: str) -> Path:
    """Builds a program of ours as a release is built (docs/adr/0012)."""
    terminal.step(f"Building {product} (release)")
    command = ["swift", "build", "-c", "release", "--static-swift-stdlib", "--product", product]
    subprocess.run(command, cwd=ROOT, check=True)
    return Path(_output([*command[:5], "--show-bin-path"])) / product


def build_peer() -> Side:
    """Builds gRPC C++'s server and client against the distribution's library."""
    terminal.step("Building the gRPC C++ peers")
    _make(_PEER_SOURCES, _PEER_BUILD)
    version = _output(["pkg-config", "--modversion", "grpc++"])
    name = f"gRPC C++ {'.'.join(version.split('.')[:2])}"
    return Side(
        name, Program(name, _PEER_BUILD / "echo-server"), Program(f"{name}'s client", _PEER_BUILD / "echo-client")
    )


def build_load() -> Program:
    """Builds the load generator that belongs to neither side."""
    terminal.step("Building the load generator")
    _make(_LOAD_SOURCES, _LOAD_BUILD)
    return Program("echo-load", _LOAD_BUILD / "echo-load")


def _make(sources: Path, output: Path) -> None:
    subprocess.run(["make", "--silent", "-C", sources, f"OUT={output}"], check=True)


def _output(command: list[str]) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
