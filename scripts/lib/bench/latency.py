"""Latency at a constant rate, from the moment at which each call should have started."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from bench import echo_load, rows, unary
from bench.case import Setting
from bench.h2load import Shape
from bench.rows import Metric, Must
from bench.server import Side

# Half of the peak: what a server runs at that has room for another one's failure.
_SHARE_OF_PEAK = 0.5


@dataclass
class Latency:
    """Each server at half of its own peak, and at half of the peer's."""

    shape: Shape
    musts: Mapping[Metric, Must] = field(default_factory=dict)
    tls: ClassVar[bool] = False
    _rates: dict[str, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"{self.shape.connections} × {self.shape.streams}, open loop at half of the peak"

    def prepare(self, setting: Setting, runs: int, seconds: float) -> None:
        peaks: dict[str, list[float]] = {side.name: [] for side in (setting.ours, setting.peer)}
        for _ in range(runs):
            for side in (setting.ours, setting.peer):
                peaks[side.name].append(unary.load(setting, side, self.shape, seconds)[rows.REQUESTS_PER_SECOND])
        self._rates = {name: statistics.median(values) * _SHARE_OF_PEAK for name, values in peaks.items()}

    def measure(self, setting: Setting, side: Side, seconds: float) -> dict[Metric, float]:
        own_rate, equal_rate = self._rates[side.name], self._rates[setting.peer.name]
        own = self._at(own_rate, setting, side, seconds)
        equal = self._at(equal_rate, setting, side, seconds)
        return {
            rows.CALLS_PER_SECOND: own_rate,
            **{metric: own.percentile_ms(percentile) for metric, percentile in rows.PERCENTILES.items()},
            rows.LATENESS: own.lateness_p99_ms,
            rows.EQUAL_CALLS_PER_SECOND: equal_rate,
            **{metric: equal.percentile_ms(percentile) for metric, percentile in rows.EQUAL_PERCENTILES.items()},
            rows.EQUAL_LATENESS: equal.lateness_p99_ms,
        }

    def _at(self, rate: float, setting: Setting, side: Side, seconds: float) -> echo_load.Latencies:
        with setting.serving(side) as running:
            return echo_load.unary_at_rate(
                setting.load, running.port, self.shape, rate, seconds, setting.cores.client, setting.scratch
            )
