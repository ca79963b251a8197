"""What a case of the benchmark is, and what it has to work with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench import server
from bench.certificate import Certificate
from bench.cores import Cores
from bench.rows import Metric, Must
from bench.server import Program, Server, Side
from shared.children import Family


@dataclass
class Setting:
    """Everything that a measurement needs."""

    ours: Side
    peer: Side
    # The load generator that belongs to neither side.
    load: Program
    cores: Cores
    family: Family
    scratch: Path
    # The body that h2load sends.
    body: Path
    certificate: Certificate

    @contextmanager
    def serving(self, side: Side, tls: bool = False) -> Iterator[Server]:
        """A fresh server on its core, gone when the block is left."""
        running = server.start(side.server, self.cores.server, self.family, self.certificate if tls else None)
        try:
            yield running
        finally:
            running.stop()


class Case(Protocol):
    """Something that is measured of both sides in the same way."""

    @property
    def tls(self) -> bool:
        """Whether the servers must speak TLS."""

    @property
    def title(self) -> str:
        """What the case does, for people."""

    @property
    def musts(self) -> Mapping[Metric, Must]:
        """What the project asks of it."""

    def prepare(self, setting: Setting, runs: int, seconds: float) -> None:
        """Finds out what has to be known before the first run."""

    def measure(self, setting: Setting, side: Side, seconds: float) -> dict[Metric, float]:
        """One run of one side, warm-up included."""
