"""When a sidecar sent its last request to a region that is gone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from demo.envoy import Admin


def now_ms() -> float:
    """The time as `meridian load` writes it."""
    return time.time() * 1000


@dataclass
class Departure:
    """Looks at a sidecar's own counters again and again.

    An attempt that failed and was retried elsewhere counts too; the client never hears of it.
    """

    admin: Admin
    region: str
    since_ms: float
    last_request_ms: float | None = None
    gone_ms: float | None = None
    _attempts: int = field(default=0)

    @staticmethod
    def of(region: str, admin: Admin) -> Departure:
        departure = Departure(admin, region, now_ms())
        departure._attempts = departure._count()[0]
        return departure

    def look(self) -> None:
        attempts, routable = self._count()
        if attempts > self._attempts:
            self._attempts = attempts
            self.last_request_ms = now_ms()
        if routable == 0 and self.gone_ms is None:
            self.gone_ms = now_ms()

    def _count(self) -> tuple[int, int]:
        endpoints = [endpoint for endpoint in self.admin.endpoints() if endpoint.region == self.region]
        attempts = sum(endpoint.requests + endpoint.failed_connections for endpoint in endpoints)
        return attempts, sum(endpoint.is_routable for endpoint in endpoints)
