"""Everything that runs: starting it, and asking until it is ready."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.envoy import Admin
from demo.ports import Ports
from demo.programs import Programs, field
from shared import terminal
from shared.children import Child, Family, Unready, wait_for

REGIONS = ("eu", "us", "ap")
WORKERS_IN_A_REGION = 2

_START_SECONDS = 60.0
_ASK_SECONDS = 0.1
_TYPES = {"Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"}


@dataclass
class Worker:
    """One worker; the process changes when it is killed and comes back."""

    name: str
    region: str
    zone: str
    database: Path
    child: Child


@dataclass
class Sidecar:
    """One region's Envoy."""

    region: str
    port: int
    admin: Admin
    child: Child

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


class Fleet:
    """The control plane, six workers and three sidecars."""

    def __init__(self, programs: Programs, family: Family, orders: int) -> None:
        self.programs = programs
        self.family = family
        self.orders = orders
        self.control = ""
        self.workers: dict[str, Worker] = {}
        self.sidecars: dict[str, Sidecar] = {}
        self._control_child: Child | None = None

    @property
    def children(self) -> list[Child]:
        """All that should be running."""
        control = [self._control_child] if self._control_child else []
        sidecars = [sidecar.child for sidecar in self.sidecars.values()]
        return control + [worker.child for worker in self.workers.values()] + sidecars

    def logs(self, *names: str) -> list[Path]:
        return [self.family.directory / f"{name}.log" for name in names]

    def start_control(self) -> None:
        data = self.family.directory / "control-data"
        data.mkdir()
        child = self.family.start("control", self.programs.control("127.0.0.1:0", data))
        self.control = child.wait_for_output(r"^meridian-control ready on (\S+)$", _START_SECONDS).group(1)
        self._control_child = child
        terminal.good(f"control plane on {self.control}")

    def start_workers(self) -> None:
        """Starts all at once: making the sample database is most of it."""
        for region in REGIONS:
            for number in range(1, WORKERS_IN_A_REGION + 1):
                name, zone = f"{region}-{number}", f"{region}-{'ab'[number - 1]}"
                database = self.family.directory / f"{name}.sqlite"
                self.workers[name] = Worker(name, region, zone, database, self._launch(name, region, zone, database))
        for worker in self.workers.values():
            terminal.progress(f"{worker.name} makes a database of {self.orders:,} orders and registers")
            self._wait_until_ready(worker)
        self._compare_databases()
        self.wait_until_serving()
        terminal.good(f"{len(self.workers)} workers registered and serving")

    def start_sidecars(self, ports: Ports) -> None:
        for region in REGIONS:
            admin = Admin(ports.next())
            self.sidecars[region] = self._start_sidecar(region, ports.next(), admin)
        for sidecar in self.sidecars.values():
            self._wait_until_configured(sidecar)
        self.wait_until_synced()
        terminal.good(f"{len(self.sidecars)} Envoys configured over delta ADS, each sees all workers")

    def kill(self, region: str) -> None:
        """SIGKILL for all of the region's workers, so close together that none can take over for another."""
        doomed = [worker.child for worker in self.workers.values() if worker.region == region]
        for child in doomed:
            os.kill(child.pid, signal.SIGKILL)
        for child in doomed:
            child.kill()

    def revive(self, region: str) -> None:
        """Starts the region's workers again, on their databases."""
        returning = [worker for worker in self.workers.values() if worker.region == region]
        for worker in returning:
            worker.child = self._launch(worker.name, worker.region, worker.zone, worker.database)
        for worker in returning:
            self._wait_until_ready(worker)

    def wait_until_serving(self) -> None:
        def all_serve() -> bool:
            workers = field(self.programs.get("workers", self.control), "workers") or []
            serving = [worker for worker in workers if field(worker, "state") == "SERVING"]
            return len(serving) == len(self.workers)

        self._wait(all_serve, "all workers to be SERVING in `meridian get workers`")

    def wait_until_synced(self) -> None:
        """Waits until every sidecar has acknowledged every type."""

        def all_synced() -> bool:
            proxies = field(self.programs.get("proxies", self.control), "proxies") or []
            return len(proxies) == len(self.sidecars) and all(map(_is_synced, proxies))

        self._wait(all_synced, "all sidecars to be SYNCED in `meridian get proxies`")

    def wait_until_routable(self, sidecar: Sidecar, region: str, count: int) -> None:
        self._wait(
            lambda: sidecar.admin.routable(region) == count,
            f"the {sidecar.region} sidecar to see {count} workers in {region}",
        )

    def wait_until_updated(self, sidecar: Sidecar, before: int) -> None:
        self._wait(
            lambda: sidecar.admin.accepted_updates() > before, f"the {sidecar.region} sidecar to accept the change"
        )

    def _launch(self, name: str, region: str, zone: str, database: Path) -> Child:
        command = self.programs.worker(name, region, zone, self.control, database, self.orders)
        return self.family.start(name, command)

    def _wait_until_ready(self, worker: Worker) -> None:
        worker.child.wait_for_output(rf"^meridian-worker {worker.name} ready on (\S+)$", _START_SECONDS)

    def _compare_databases(self) -> None:
        digests = {worker.name: _digest(worker.database) for worker in self.workers.values()}
        if len(set(digests.values())) > 1:
            listed = ", ".join(f"{name} {digest[:12]}" for name, digest in digests.items())
            raise Unready(f"The sample databases differ, from the same seed: {listed}.")
        size = next(iter(self.workers.values())).database.stat().st_size / 1e6
        digest = next(iter(digests.values()))
        terminal.good(f"{len(digests)} sample databases of {size:.1f} MB are byte for byte equal ({digest[:12]}…)")

    def _start_sidecar(self, region: str, port: int, admin: Admin) -> Sidecar:
        node = f"client-{region}"
        text = self.programs.meridian(
            *self.programs.bootstrap(node, region, self.control, f"127.0.0.1:{port}", admin.address)
        )
        bootstrap = self.family.directory / f"envoy-{region}.yaml"
        bootstrap.write_text(text)
        return Sidecar(region, port, admin, self.family.start(f"envoy-{region}", self.programs.envoy(bootstrap)))

    def _wait_until_configured(self, sidecar: Sidecar) -> None:
        terminal.progress(f"the {sidecar.region} sidecar waits for its configuration")
        self._wait(sidecar.admin.is_ready, f"the {sidecar.region} Envoy's /ready")
        for region in REGIONS:
            self.wait_until_routable(sidecar, region, WORKERS_IN_A_REGION)

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        wait_for(condition, what, _START_SECONDS, self.children, every=_ASK_SECONDS)


def _is_synced(proxy: dict[str, Any]) -> bool:
    types = field(proxy, "types") or []
    states = {str(field(kind, "type_url")).rpartition(".")[2]: field(kind, "state") for kind in types}
    return states.keys() >= _TYPES and all(states[kind] == "SYNCED" for kind in _TYPES)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
