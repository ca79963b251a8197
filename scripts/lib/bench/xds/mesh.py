"""The mesh that the sidecars are given: services without a meaning, in three regions of two zones."""

from __future__ import annotations

from pathlib import Path

_REGIONS = ("eu", "us", "ap")
_TIMES = (("eu", "us", 85), ("us", "ap", 150), ("eu", "ap", 230))
# In this order sidecars and workers take their places: each region once, then each again in its second zone.
SCOPES = ",".join(f"{region}/{region}-{zone}" for zone in "ab" for region in _REGIONS)


def write(path: Path, clusters: int) -> None:
    """Writes the description that a control plane starts with."""
    lines = ["apiVersion: meridian/v1", "kind: Mesh", "name: bench", "regions:"]
    for region in _REGIONS:
        lines += [f"  - name: {region}", f"    zones: [{region}-a, {region}-b]"]
    lines += ["roundTripTimes:"]
    lines += [f"  - {{between: [{a}, {b}], time: {time}ms}}" for a, b, time in _TIMES]
    lines += ["services:"]
    for number in range(clusters):
        lines += [f"  - name: service-{number}", f"    routes: [/bench.Service{number}/]"]
    path.write_text("\n".join(lines) + "\n")
