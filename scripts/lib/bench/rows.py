"""What a benchmark found: rows for machines, and a table for people."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
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


REQUESTS_PER_SECOND = Metric("requests_per_second", "1/s", "requests a second", 0, more_is_better=True)
CPU_SECONDS = Metric("cpu_s_per_100k", "s", "CPU seconds for 100,000 requests", 2)
MEMORY = Metric("rss_mb", "MB", "memory, MB", 1)
CONNECTION_MEMORY = Metric("kb_per_connection", "kB", "memory for each connection, kB", 1)


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
    ours: dict[Metric, list[float]]
    peer: dict[Metric, list[float]]

    def rows(self, peer_name: str) -> list[Row]:
        """One row for each metric."""
        return [self._row(metric, peer_name) for metric in self.ours]

    def lines(self, peer_name: str) -> list[str]:
        """The table of this case; a range shows how far the runs lie apart."""
        body = []
        for metric, row in zip(self.ours, self.rows(peer_name), strict=True):
            ours, peer = self.ours[metric], self.peer[metric]
            body.append([metric.title, _text(ours, metric), _text(peer, metric), _ratio(row.ratio, metric)])
        return terminal.table([self.title, "Meridian", peer_name, "ours ÷ peer"], body)

    def _row(self, metric: Metric, peer_name: str) -> Row:
        ours = statistics.median(self.ours[metric])
        peer = statistics.median(self.peer[metric])
        return Row(
            case=self.case,
            metric=metric.name,
            ours=round(ours, metric.digits + 1),
            peer=round(peer, metric.digits + 1),
            peer_name=peer_name,
            ratio=round(ours / peer, 3) if peer else None,
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
