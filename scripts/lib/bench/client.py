"""Our client and the peer's, each driving our server."""

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
class Client:
    """The server is ours for both, because it is the faster one: the client is what gives out first."""

    shape: Shape
    musts: Mapping[Metric, Must] = field(default_factory=dict)
    tls: ClassVar[bool] = False

    @property
    def title(self) -> str:
        return f"{self.shape.connections} × {self.shape.streams} calls at once, the client is measured"

    def prepare(self, setting: Setting, runs: int, seconds: float) -> None:
        pass

    def measure(self, setting: Setting, side: Side, seconds: float) -> dict[Metric, float]:
        with setting.serving(setting.ours) as running:
            options = echo_load.options(running.port, self.shape, seconds)
            found = echo_load.run(side.client, options, setting.cores.client, seconds)
        return {
            rows.REQUESTS_PER_SECOND: found["requests"] / found["seconds"],
            rows.CLIENT_CPU_SECONDS: found["cpu_seconds"] / found["requests"] * 100_000,
        }
