"""Unary calls as fast as they are answered, driven by h2load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from bench import h2load, rows
from bench.case import Setting
from bench.h2load import Shape
from bench.rows import Metric, Must
from bench.server import Side

_WARM_UP_REQUESTS = 20_000


@dataclass
class Unary:
    """Both servers in plaintext."""

    shape: Shape
    musts: Mapping[Metric, Must] = field(default_factory=dict)
    tls: ClassVar[bool] = False

    @property
    def title(self) -> str:
        return f"{self.shape.connections} × {self.shape.streams} requests at once"

    def prepare(self, setting: Setting, runs: int, seconds: float) -> None:
        pass

    def measure(self, setting: Setting, side: Side, seconds: float) -> dict[Metric, float]:
        return load(setting, side, self.shape, seconds)


@dataclass
class UnaryTLS:
    """Both servers over TLS, each compared with itself in plaintext a moment before."""

    shape: Shape
    musts: Mapping[Metric, Must] = field(default_factory=dict)
    tls: ClassVar[bool] = True

    @property
    def title(self) -> str:
        return f"{self.shape.connections} × {self.shape.streams} requests at once, over TLS"

    def prepare(self, setting: Setting, runs: int, seconds: float) -> None:
        pass

    def measure(self, setting: Setting, side: Side, seconds: float) -> dict[Metric, float]:
        plain = load(setting, side, self.shape, seconds)
        found = load(setting, side, self.shape, seconds, tls=True)
        share = found[rows.REQUESTS_PER_SECOND] / plain[rows.REQUESTS_PER_SECOND]
        return found | {rows.OF_PLAINTEXT: share * 100}


def load(setting: Setting, side: Side, shape: Shape, seconds: float, tls: bool = False) -> dict[Metric, float]:
    """A fresh server's peak."""
    with setting.serving(side, tls) as running:

        def run(requests: int) -> h2load.Result:
            return h2load.run(running.port, shape, requests, setting.cores.client, setting.body, tls)

        warm_up = run(_WARM_UP_REQUESTS)
        before = running.cpu_seconds()
        result = run(max(int(warm_up.requests_per_second * seconds), _WARM_UP_REQUESTS))
        used = running.cpu_seconds() - before
        return {
            rows.REQUESTS_PER_SECOND: result.requests_per_second,
            rows.CPU_SECONDS: used / result.requests * 100_000,
            rows.MEMORY: running.memory_bytes() / 1e6,
        }
