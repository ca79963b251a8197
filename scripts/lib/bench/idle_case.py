"""What connections cost that are open and do nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench import idle, rows
from bench.case import Setting
from bench.h2load import WrongAnswers
from bench.idle import Connections
from bench.rows import Metric, Must
from bench.server import Server, Side

_SETTLED_BYTES = 64 * 1024
_SETTLE_SECONDS = 5.0
_LOOK_SECONDS = 0.2
_FIRST_CONNECTIONS = 10


@dataclass
class Idle:
    """Resident memory of the server, in total and for each connection."""

    count: int
    tls: bool = False
    musts: Mapping[Metric, Must] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"{self.count:,} idle connections{' over TLS' if self.tls else ''}"

    def prepare(self, setting: Setting, runs: int, seconds: float) -> None:
        pass

    def measure(self, setting: Setting, side: Side, seconds: float) -> dict[Metric, float]:
        root = setting.certificate.certificate if self.tls else None
        with setting.serving(side, self.tls) as running:
            # What the first connections allocate for good belongs to the process, not to a connection.
            with idle.connections(running.port, _FIRST_CONNECTIONS, root) as opened:
                before = _settled_memory(running, opened)
            with idle.connections(running.port, self.count, root) as opened:
                after = _settled_memory(running, opened)
        return {
            rows.MEMORY: after / 1e6,
            rows.CONNECTION_MEMORY: (after - before) / self.count / 1e3,
        }


def _settled_memory(running: Server, opened: Connections) -> int:
    """The memory once two looks agree: the last handshakes may still be under way."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    last = running.memory_bytes()
    while True:
        time.sleep(_LOOK_SECONDS)
        opened.answer()
        if opened.closed:
            raise WrongAnswers(f"{running.child.name} closed {opened.closed} idle connections.")
        now = running.memory_bytes()
        if abs(now - last) < _SETTLED_BYTES or time.monotonic() > deadline:
            return now
        last = now
