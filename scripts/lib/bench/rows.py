"""What a benchmark found: rows for machines, and a table for people."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from shared import terminal


@dataclass(frozen=True)
class Metric:
    """Something measured: its name in rows, its unit, and what people read."""

    name: str
    unit: str
    title: str
    digits: int
    more_is_better: bool = False
    # False for what only says how a figure came about.
    is_compared: bool = True


@dataclass(frozen=True)
class Must:
    """What the project asks of a metric: of ours divided by the peer's, or of ours alone."""

    ratio: float | None = None
    ours: float | None = None
    # What is hoped for beyond that, of ours alone.
    aim: float | None = None

    def text(self, metric: Metric) -> str:
        sign = "≥" if metric.more_is_better else "≤"
        asked = f"{sign} {self.ratio:g} ×" if self.ratio is not None else f"{sign} {self.ours:g}"
        return f"{asked} (aim {self.aim:g})" if self.aim is not None else asked

    def is_met(self, metric: Metric, row: Row) -> bool:
        value, bound = (row.ratio, self.ratio) if self.ratio is not None else (row.ours, self.ours)
        if value is None or bound is None:
            return False
        return value >= bound if metric.more_is_better else value <= bound


REQUESTS_PER_SECOND = Metric("requests_per_second", "1/s", "requests a second", 0, more_is_better=True)
MESSAGES_PER_SECOND = Metric("messages_per_second", "1/s", "messages a second", 0, more_is_better=True)
CPU_SECONDS = Metric("cpu_s_per_100k", "s", "CPU seconds for 100,000 requests", 2)
MESSAGE_CPU_SECONDS = Metric("cpu_s_per_100k", "s", "CPU seconds for 100,000 messages", 2)
CLIENT_CPU_SECONDS = Metric("client_cpu_s_per_100k", "s", "the client's CPU seconds for 100,000 requests", 2)
OF_PLAINTEXT = Metric("of_plaintext", "%", "of its own plaintext, %", 1, more_is_better=True)
MEMORY = Metric("rss_mb", "MB", "memory, MB", 1)
CONNECTION_MEMORY = Metric("kb_per_connection", "kB", "memory for each connection, kB", 1)

CALLS_PER_SECOND = Metric("calls_per_second", "1/s", "half of its own peak, calls a second", 0, more_is_better=True)
PERCENTILES = {
    Metric("p50_ms", "ms", "  p50, ms", 3): 50.0,
    Metric("p99_ms", "ms", "  p99, ms", 3): 99.0,
    Metric("p999_ms", "ms", "  p99.9, ms", 3): 99.9,
}
EQUAL_CALLS_PER_SECOND = Metric(
    "equal_calls_per_second", "1/s", "half of the peer's peak, calls a second", 0, is_compared=False
)
EQUAL_PERCENTILES = {
    Metric("equal_p50_ms", "ms", "  p50, ms", 3): 50.0,
    Metric("equal_p99_ms", "ms", "  p99, ms", 3): 99.0,
    Metric("equal_p999_ms", "ms", "  p99.9, ms", 3): 99.9,
}

# What the load generator itself takes: the other figures are of no use when these are large.
_LATENESS = "  calls begin late by (p99), ms"
GENERATOR_CPU = Metric("generator_cpu", "%", "the load generator's CPU, %", 0, is_compared=False)
LATENESS = Metric("lateness_p99_ms", "ms", _LATENESS, 3, is_compared=False)
EQUAL_LATENESS = Metric("equal_lateness_p99_ms", "ms", _LATENESS, 3, is_compared=False)


@dataclass(frozen=True)
class Row:
    """One metric of one case, as DESIGN.md section 8 has it: medians, and ours divided by the peer's."""

    case: str
    metric: str
    ours: float
    peer: float | None
    peer_name: str | None
    ratio: float | None
    runs: int
    unit: str


@dataclass
class Samples:
    """The runs of one case: for each metric what we had and what the peer had."""

    case: str
    title: str
    musts: Mapping[Metric, Must]
    ours: dict[Metric, list[float]]
    peer: dict[Metric, list[float]]

    def rows(self, peer_name: str) -> list[Row]:
        """One row for each metric."""
        return [self._row(metric, peer_name) for metric in self.ours]

    def lines(self, peer_name: str) -> list[str]:
        """The table of this case; a range shows how far the runs lie apart."""
        body = []
        for metric, row in zip(self.ours, self.rows(peer_name), strict=True):
            ours, peer = self.ours[metric], self.peer.get(metric)
            theirs = _text(peer, metric) if peer else "–"
            cells = [metric.title, _text(ours, metric), theirs, _ratio(row.ratio, metric)]
            body.append([*cells, self._must(metric, row)])
        return terminal.table([self.title, "Meridian", peer_name, "ours ÷ peer", "must"], body)

    def _must(self, metric: Metric, row: Row) -> str:
        must = self.musts.get(metric)
        if must is None:
            return ""
        return terminal.styled(must.text(metric), "green" if must.is_met(metric, row) else "red")

    def _row(self, metric: Metric, peer_name: str) -> Row:
        ours = statistics.median(self.ours[metric])
        values = self.peer.get(metric)
        peer = statistics.median(values) if values else None
        return Row(
            case=self.case,
            metric=metric.name,
            ours=round(ours, metric.digits + 1),
            peer=round(peer, metric.digits + 1) if peer is not None else None,
            peer_name=peer_name if peer is not None else None,
            ratio=round(ours / peer, 3) if peer and metric.is_compared else None,
            runs=len(self.ours[metric]),
            unit=metric.unit,
        )


def write(path: Path, rows: Sequence[Row]) -> None:
    """Writes the rows as a JSON array, one row on a line."""
    text = ",\n".join(json.dumps(asdict(row)) for row in rows)
    path.write_text(f"[\n{text}\n]\n")


def _text(values: Sequence[float], metric: Metric) -> str:
    median = f"{statistics.median(values):,.{metric.digits}f}"
    if len(values) == 1:
        return median
    spread = f"{min(values):,.{metric.digits}f}–{max(values):,.{metric.digits}f}"
    return f"{median} {terminal.styled(f'({spread})', 'dim')}"


def _ratio(ratio: float | None, metric: Metric) -> str:
    if ratio is None:
        return "–"
    is_better = ratio >= 1 if metric.more_is_better else ratio <= 1
    return terminal.styled(f"{ratio:.2f}", "green" if is_better else "red")
