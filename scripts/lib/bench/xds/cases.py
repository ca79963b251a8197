"""The cases of `scripts/bench xds`, and what each must reach."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from bench.h2load import WrongAnswers
from bench.rows import Metric, Must
from bench.xds import metrics
from bench.xds.control import Meridian, Running, Side
from bench.xds.load import Load
from bench.xds.scale import Scale
from shared.children import Family

_WARM_UP_CHANGES = 20
# Changes stand alone: the next one finds both sides idle.
_PAUSE_MS = 20
# The most that a change may take on average before a run is given up.
_SECONDS_FOR_A_CHANGE = 3.0
_CHURN_SLOTS = 32


@dataclass
class Setting:
    """Everything that a measurement needs."""

    load: Path
    family: Family
    directory: Path
    changes: int
    slow_changes: int
    churn_seconds: int

    @contextmanager
    def serving(self, side: Side, scale: Scale) -> Iterator[Session]:
        """A fresh server with all workers registered and all sidecars synced."""
        running = side.start(self.family, self.directory, scale)
        try:
            with Load(self.load, running, scale, self.family) as load:
                load.do("register")
                before = running.memory_mb()
                synced = load.do("connect").result
                _require_equal(synced)
                load.do("quiet")
                yield Session(running, load, synced["seconds"], before)
        finally:
            running.child.kill()


@dataclass
class Session:
    """A server and the load on it."""

    server: Running
    load: Load
    converge_seconds: float
    # Before the first sidecar.
    memory_before_mb: float

    def change(self, count: int) -> Changes:
        """Single changes, one after the other."""
        answer = self.load.do(f"changes {count} {_PAUSE_MS}", 60 + count * _SECONDS_FOR_A_CHANGE)
        cpu = answer.server_cpu_seconds * 1000 / count
        return Changes(answer.result, cpu, answer.client_cpu_seconds * 1000 / count)


@dataclass
class Changes:
    """What a number of changes took."""

    result: dict[str, Any]
    cpu_ms: float
    client_cpu_ms: float

    @property
    def p99_ms(self) -> float:
        """Until the last stream has it."""
        value: float = self.result["lastStream"]["p99"]
        return value


class Case(Protocol):
    """Something that is measured."""

    @property
    def title(self) -> str: ...

    @property
    def musts(self) -> Mapping[Metric, Must]: ...

    @property
    def recorded(self) -> Mapping[Metric, float]:
        """What was measured of go-control-plane once, for when no peer is there."""

    @property
    def is_for_peers(self) -> bool: ...

    @property
    def most_streams(self) -> int: ...

    def scaled(self, changes: Mapping[str, Any]) -> Case:
        """The same at another scale."""

    def measure(self, setting: Setting, side: Side) -> dict[Metric, float]:
        """One run of one side, warm-up included."""


@dataclass(frozen=True)
class _Scaled:
    scale: Scale
    musts: Mapping[Metric, Must] = field(default_factory=dict)
    recorded: Mapping[Metric, float] = field(default_factory=dict)

    is_for_peers: ClassVar[bool] = False

    @property
    def title(self) -> str:
        return self.scale.title

    @property
    def most_streams(self) -> int:
        return self.scale.streams

    def scaled(self, changes: Mapping[str, Any]) -> Any:
        return replace(self, scale=replace(self.scale, **changes)) if changes else self


@dataclass(frozen=True)
class OneChange(_Scaled):
    """An endpoint changes, and everybody hears of it."""

    is_for_peers: ClassVar[bool] = True

    def measure(self, setting: Setting, side: Side) -> dict[Metric, float]:
        with setting.serving(side, self.scale) as session:
            session.change(_WARM_UP_CHANGES)
            found = session.change(setting.changes)
            last, acknowledged = found.result["lastStream"], found.result["lastAcknowledged"]
            memory = session.server.memory_mb()
            return {
                metrics.CONVERGE: session.converge_seconds * 1000,
                metrics.P50: last["p50"],
                metrics.P99: last["p99"],
                metrics.MAX: last["max"],
                metrics.ACK_P50: acknowledged["p50"],
                metrics.ACK_P99: acknowledged["p99"],
                metrics.ACK_MAX: acknowledged["max"],
                metrics.STREAM_P50: found.result["eachStream"]["p50"],
                metrics.STREAM_P99: found.result["eachStream"]["p99"],
                metrics.CPU: found.cpu_ms,
                metrics.CLIENT_CPU: found.client_cpu_ms,
                metrics.MEMORY: memory,
                metrics.PEAK_MEMORY: session.server.peak_mb(),
                metrics.STREAM_MEMORY: (memory - session.memory_before_mb) * 1000 / self.scale.streams,
                metrics.BYTES: found.result["receivedBytes"],
                metrics.ACK_BYTES: found.result["sentBytes"],
            }


@dataclass(frozen=True)
class MoreClusters(_Scaled):
    """What a change costs must not grow with what did not change."""

    is_for_peers: ClassVar[bool] = True
    fewer: int = 100

    def measure(self, setting: Setting, side: Side) -> dict[Metric, float]:
        found = []
        for clusters in (self.fewer, self.scale.clusters):
            with setting.serving(side, replace(self.scale, clusters=clusters)) as session:
                session.change(_WARM_UP_CHANGES)
                found.append((session.change(setting.changes), session.server.memory_mb(), session.converge_seconds))
        (few, _, _), (many, memory, converge) = found
        return {
            metrics.CPU_GROWTH: many.cpu_ms / few.cpu_ms,
            metrics.P99_GROWTH: many.p99_ms / few.p99_ms,
            metrics.CONVERGE: converge * 1000,
            metrics.P99: many.p99_ms,
            metrics.CPU: many.cpu_ms,
            metrics.MEMORY: memory,
        }


@dataclass(frozen=True)
class Storm(_Scaled):
    """The server is killed and started again, and all come back with what they have."""

    @property
    def title(self) -> str:
        return f"kill -9 and restart: {self.scale.title}"

    def measure(self, setting: Setting, side: Side) -> dict[Metric, float]:
        assert isinstance(side, Meridian)
        with setting.serving(side, self.scale) as session:
            session.load.begin("restart")
            session.load.next_line("restart")
            session.server.child.kill()
            killed = time.monotonic()
            restarted = side.start_again(setting.family, setting.directory, session.server.port)
            try:
                ready = time.monotonic()
                session.load.uses(restarted)
                found = session.load.finish("restart", 0)
                memory = restarted.memory_mb()
            finally:
                restarted.child.kill()
        traffic = found.result["traffic"]
        _require_equal(found.result)
        return {
            metrics.RESYNCED: found.result["seconds"] * 1000,
            metrics.RESTART: (ready - killed) * 1000,
            metrics.RESYNC_CPU: found.server_cpu_seconds * 1000,
            metrics.MEMORY: memory,
            metrics.RESENT: sum(count for type, count in traffic["unchanged"].items() if type != "EDS"),
            metrics.RESENT_EDS: traffic["unchanged"]["EDS"],
            **{metric: traffic["bytes"][type] for type, metric in metrics.RESENT_BYTES.items()},
        }


@dataclass(frozen=True)
class SlowReaders(_Scaled):
    """One stream of a hundred stops reading, and no other may notice."""

    @property
    def title(self) -> str:
        return f"1 % stop reading: {self.scale.title}"

    def measure(self, setting: Setting, side: Side) -> dict[Metric, float]:
        count = setting.slow_changes
        with setting.serving(side, self.scale) as session:
            session.change(_WARM_UP_CHANGES)
            # Before and after, so that a machine that gets slower meanwhile is not held against the stopped.
            first = session.change(count // 2)
            before = session.server.memory_mb()
            stopped = session.load.do(f"stop {max(self.scale.streams // 100, 1)}").result["stopped"]
            during = session.change(count)
            growth = session.server.memory_mb() - before
            resumed = session.load.do("resume").result
            _require_equal(resumed)
            last = session.change(count - count // 2)
        all_read = (first.p99_ms + last.p99_ms) / 2
        return {
            metrics.SLOW_CHANGES: count,
            metrics.P99_ALL_READ: all_read,
            metrics.P99_SOME_STOPPED: during.p99_ms,
            metrics.STOPPED_RATIO: during.p99_ms / all_read,
            metrics.MEMORY_GROWTH: growth,
            metrics.CATCH_UP: resumed["traffic"]["responses"] / stopped,
        }


@dataclass(frozen=True)
class Churn(_Scaled):
    """Workers leave and come back at another port, each as soon as it is answered."""

    @property
    def title(self) -> str:
        return f"registration churn: {self.scale.title}"

    def measure(self, setting: Setting, side: Side) -> dict[Metric, float]:
        with setting.serving(side, self.scale) as session:
            session.change(_WARM_UP_CHANGES)
            before = session.server.memory_mb()
            found = session.load.do(f"churn {setting.churn_seconds} {_CHURN_SLOTS}", 120 + setting.churn_seconds)
            result = found.result
            _require_equal(result)
            return {
                metrics.PAIRS: result["pairs"] / result["seconds"],
                metrics.PUSHES: result["responsesPerStream"] / result["seconds"],
                metrics.SETTLED: result["settledSeconds"] * 1000,
                metrics.CHURN_CPU: found.server_cpu_seconds / result["seconds"] * 100,
                metrics.MEMORY_GROWTH: session.server.memory_mb() - before,
                metrics.MEMORY: session.server.memory_mb(),
            }


def _require_equal(result: Mapping[str, Any]) -> None:
    """Whoever is in the same place must have the same, or the figures are of no use."""
    if result["differing"]:
        raise WrongAnswers(f"{result['differing']} sidecars have something else than their neighbours.")


_DELTA = Scale()
_SOTW = Scale(variant="sotw")
_TEN_THOUSAND = Scale(streams=10_000)

CASES: dict[str, Case] = {
    "delta-2000": OneChange(
        _DELTA,
        {
            metrics.P99: Must(ours=40, aim=20),
            metrics.CPU: Must(ours=40, aim=20),
            metrics.MEMORY: Must(ours=90, aim=60),
        },
        {metrics.P50: 156, metrics.P99: 240, metrics.CPU: 355, metrics.MEMORY: 559},
    ),
    "sotw-2000": OneChange(
        _SOTW,
        {metrics.P99: Must(ours=100, aim=40), metrics.CPU: Must(ours=80)},
        {metrics.P50: 809, metrics.P99: 1_835, metrics.CPU: 1_885, metrics.MEMORY: 534},
    ),
    "delta-10000": OneChange(
        _TEN_THOUSAND, {metrics.P99: Must(ours=300, aim=150), metrics.MEMORY: Must(ours=350, aim=220)}
    ),
    # Envoy names all its extensions in the first request.
    "envoy-nodes-2000": OneChange(Scale(extensions=516)),
    "clusters-1000": MoreClusters(Scale(clusters=1_000), {metrics.CPU_GROWTH: Must(ours=1.3, aim=1.0)}),
    "storm-10000": Storm(
        _TEN_THOUSAND, {metrics.RESYNCED: Must(ours=10_000, aim=5_000), metrics.RESENT: Must(ours=0)}
    ),
    "slow-1pct": SlowReaders(_DELTA, {metrics.STOPPED_RATIO: Must(ours=1.15), metrics.MEMORY_GROWTH: Must(ours=5)}),
    "churn": Churn(_DELTA),
}
