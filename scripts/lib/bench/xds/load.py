"""The load: sidecars and workers in one program, which does what it is told line by line."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.h2load import WrongAnswers
from bench.xds import mesh
from bench.xds.control import Running
from bench.xds.scale import Scale
from shared.children import Child, Family

# Beyond the program's own patience.
_ANSWER_SECONDS = 150.0
_POLL_SECONDS = 0.005


@dataclass
class Answer:
    """What a command found, and what it cost."""

    result: dict[str, Any]
    client_cpu_seconds: float
    server_cpu_seconds: float


class Load:
    """A running `bench-xds`."""

    def __init__(self, program: Path, server: Running, scale: Scale, family: Family) -> None:
        command: list[str | Path] = [program, "--port", str(server.port), "--streams", str(scale.streams)]
        command += ["--variant", scale.variant, "--clusters", str(scale.clusters)]
        command += ["--endpoints", str(scale.endpoints), "--extensions", str(scale.extensions)]
        command += ["--scopes", mesh.SCOPES]
        if server.control_port is not None:
            command += ["--peer-control", str(server.control_port)]
        self._server = server
        self._child = family.start("bench-xds", command, has_input=True)
        self._read = 0

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()

    @property
    def child(self) -> Child:
        return self._child

    def do(self, command: str, seconds: float = _ANSWER_SECONDS) -> Answer:
        """Tells it what to do and waits until it is done."""
        before = self._server.cpu_seconds()
        self.begin(command)
        return self.finish(command, before, seconds)

    def begin(self, command: str) -> None:
        assert self._child.process.stdin is not None
        self._child.process.stdin.write(f"{command}\n".encode())
        self._child.process.stdin.flush()

    def finish(self, command: str, cpu_before: float, seconds: float = _ANSWER_SECONDS) -> Answer:
        """The answer to a command that was begun."""
        line = self.next_line(command, seconds)
        return Answer(line["result"], line["clientCPU"], self._server.cpu_seconds() - cpu_before)

    def next_line(self, command: str, seconds: float = _ANSWER_SECONDS) -> dict[str, Any]:
        """The next line that it prints."""
        deadline = time.monotonic() + seconds
        while True:
            text = self._child.output.read_bytes()[self._read :]
            if b"\n" in text:
                line = text[: text.index(b"\n") + 1]
                self._read += len(line)
                found: dict[str, Any] = json.loads(line)
                return found
            if not self._child.is_running:
                said = self._child.log.read_text(errors="replace").strip().splitlines()
                raise WrongAnswers(f"“{command}” failed: {said[-1] if said else 'bench-xds ended'}")
            if time.monotonic() > deadline:
                raise WrongAnswers(f"“{command}” had no answer after {seconds:.0f} s.")
            time.sleep(_POLL_SECONDS)

    def uses(self, server: Running) -> None:
        """Another process serves from now on."""
        self._server = server
