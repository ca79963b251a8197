"""What a sidecar itself says, through Envoy's admin interface."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class Endpoint:
    """One worker as a sidecar sees it."""

    region: str
    is_routable: bool
    # Requests that reached it, retries included.
    requests: int
    # Connections to it that failed: requests that wanted to reach it.
    failed_connections: int


@dataclass(frozen=True)
class Admin:
    """One sidecar's admin interface."""

    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        return self._get("/ready") is not None

    def endpoints(self) -> list[Endpoint]:
        """The workers of all clusters that came from the control plane."""
        statuses = json.loads(self._get("/clusters?format=json") or "{}").get("cluster_statuses", [])
        hosts = [host for status in statuses if status.get("added_via_api") for host in status.get("host_statuses", [])]
        return [_endpoint(host) for host in hosts]

    def routable(self, region: str) -> int:
        """How many workers of a region the sidecar would send requests to."""
        return sum(endpoint.is_routable and endpoint.region == region for endpoint in self.endpoints())

    def accepted_updates(self) -> int:
        """How many updates of any type the sidecar has accepted since it started."""
        stats = json.loads(self._get("/stats?format=json&filter=update_success$") or "{}").get("stats", [])
        return sum(int(stat.get("value", 0)) for stat in stats)

    def requests(self) -> int:
        """How many requests the sidecar has sent to workers, retries included."""
        return sum(endpoint.requests for endpoint in self.endpoints())

    def _get(self, path: str) -> str | None:
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=_TIMEOUT_SECONDS) as response:
                text: str = response.read().decode()
                return text
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            # Not listening yet, or not ready.
            return None


def _endpoint(host: dict[str, Any]) -> Endpoint:
    health = host.get("health_status", {})
    failed = any(value is True for value in health.values())
    counters = {stat.get("name"): int(stat.get("value", 0)) for stat in host.get("stats", [])}
    return Endpoint(
        region=host.get("locality", {}).get("region", ""),
        is_routable=health.get("eds_health_status") == "HEALTHY" and not failed,
        requests=counters.get("rq_total", 0),
        failed_connections=counters.get("cx_connect_fail", 0),
    )
