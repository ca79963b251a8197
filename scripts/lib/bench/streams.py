"""Bidirectional streams that ping-pong, driven by the project's own load generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from bench import echo_load, rows
from bench.case import Setting
from bench.h2load import Shape
from bench.rows import Metric, Must
from bench.server import Side


@dataclass
class Bidi:
    """Several messages in flight on each stream; every one that comes back sends the next."""

    shape: Shape
    window: int
    musts: Mapping[Metric, Must] = field(default_factory=dict)
    tls: ClassVar[bool] = False

    @property
    def title(self) -> str:
        return f"{self.shape.connections} × {self.shape.streams} streams, {self.window} messages in flight on each"

    def prepare(self, setting: Setting, runs: int, seconds: float) -> None:
        pass

    def measure(self, setting: Setting, side: Side, seconds: float) -> dict[Metric, float]:
        with setting.serving(side) as running:
            before = running.cpu_seconds()
            found = echo_load.stream(
                setting.load, running.port, self.shape, self.window, seconds, setting.cores.client
            )
            used = running.cpu_seconds() - before
        return {
            rows.MESSAGES_PER_SECOND: found.messages / found.seconds,
            rows.MESSAGE_CPU_SECONDS: used / found.all_messages * 100_000,
            rows.GENERATOR_CPU: found.cpu_seconds / found.seconds * 100,
        }
