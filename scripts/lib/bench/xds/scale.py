"""How large a run is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Sidecars, and the mesh that they get."""

    streams: int = 2_000
    variant: str = "delta"
    clusters: int = 100
    endpoints: int = 10
    # Extensions that each node names; Envoy 1.40 names 516.
    extensions: int = 0

    @property
    def title(self) -> str:
        form = {"delta": "delta", "sotw": "state of the world"}[self.variant]
        return f"{self.streams:,} {form} streams, {self.clusters:,} clusters × {self.endpoints} endpoints"
