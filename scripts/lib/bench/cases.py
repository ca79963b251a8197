"""The cases of `scripts/bench rpc`, and what each must reach."""

from __future__ import annotations

from bench import rows
from bench.case import Case
from bench.client import Client
from bench.h2load import Shape
from bench.idle_case import Idle
from bench.latency import Latency
from bench.rows import Must
from bench.streams import Bidi
from bench.unary import Unary, UnaryTLS

_TEN_BY_A_HUNDRED = Shape(connections=10, streams=100)
_NOT_WORSE = {metric: Must(ratio=1.0) for metric in [*rows.PERCENTILES, *rows.EQUAL_PERCENTILES]}

CASES: dict[str, Case] = {
    "unary-1x100": Unary(Shape(connections=1, streams=100)),
    "unary-10x100": Unary(_TEN_BY_A_HUNDRED, {rows.REQUESTS_PER_SECOND: Must(ratio=2.5)}),
    "unary-100x10": Unary(Shape(connections=100, streams=10)),
    "stream-bidi": Bidi(Shape(connections=10, streams=10), 10, {rows.MESSAGES_PER_SECOND: Must(ratio=2.5)}),
    "latency-10x100": Latency(_TEN_BY_A_HUNDRED, _NOT_WORSE),
    "tls-10x100": UnaryTLS(_TEN_BY_A_HUNDRED, {rows.OF_PLAINTEXT: Must(ours=65)}),
    "idle-5000": Idle(5_000, musts={rows.CONNECTION_MEMORY: Must(ours=20)}),
    "idle-10000": Idle(10_000, musts={rows.MEMORY: Must(ours=200)}),
    "idle-10000-tls": Idle(10_000, tls=True, musts={rows.MEMORY: Must(ours=500)}),
    "client-10x100": Client(_TEN_BY_A_HUNDRED, {rows.REQUESTS_PER_SECOND: Must(ratio=1.5)}),
}

# The most that any case opens at once.
MOST_CONNECTIONS = max(case.count for case in CASES.values() if isinstance(case, Idle))
