"""A stream of report requests through one sidecar, and what became of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.fleet import Fleet, Sidecar
from shared import terminal
from shared.children import Child, Unready, wait_for

_SPARE_SECONDS = 20.0
_FLOW_SECONDS = 10.0
_WATCH_SECONDS = 0.02


@dataclass(frozen=True)
class Result:
    """The counts of one load."""

    wanted: int
    requests: int
    ok: int
    failed: int
    errors: dict[str, int]
    by_region: dict[str, int]
    p50_ms: float
    p99_ms: float
    first_ok_ms: dict[str, float]
    last_ok_ms: dict[str, float]

    @staticmethod
    def read(path: Path, wanted: int) -> Result:
        values: dict[str, Any] = json.loads(path.read_text())
        return Result(
            wanted=wanted,
            requests=values["requests"],
            ok=values["ok"],
            failed=values["failed"],
            errors=values.get("errors", {}),
            by_region=values["by_region"],
            p50_ms=values["p50_ms"],
            p99_ms=values["p99_ms"],
            first_ok_ms=values["first_ok_unix_ms"],
            last_ok_ms=values["last_ok_unix_ms"],
        )


@dataclass
class Load:
    """A running load."""

    title: str
    sidecar: Sidecar
    seconds: int
    rate: int
    child: Child
    path: Path
    started: float

    @staticmethod
    def start(fleet: Fleet, title: str, sidecar: Sidecar, rate: int, seconds: int) -> Load:
        name = f"load-{title.replace(' ', '-')}"
        path = fleet.family.directory / f"{name}.json"
        child = fleet.family.start(name, fleet.programs.load(sidecar.address, rate, seconds, path))
        return Load(title, sidecar, seconds, rate, child, path, time.monotonic())

    def wait_until_flowing(self, requests: int) -> None:
        """Waits until the sidecar has passed on that many of the load's requests."""
        before = self.sidecar.admin.requests()
        wait_for(
            lambda: self.sidecar.admin.requests() - before >= requests,
            f"{requests} requests through the {self.sidecar.region} sidecar",
            _FLOW_SECONDS,
            [self.child],
        )

    def finish(self, watch: Callable[[], None] = lambda: None) -> Result:
        """Waits for the end, looking at something many times a second meanwhile."""
        deadline = self.started + self.seconds + _SPARE_SECONDS
        while self.child.is_running:
            watch()
            elapsed = time.monotonic() - self.started
            terminal.progress(f"{self.title}: {min(elapsed, self.seconds):.1f} of {self.seconds} s")
            if time.monotonic() > deadline:
                raise Unready(f"{self.child.name} does not end.", [self.child.log])
            time.sleep(_WATCH_SECONDS)
        if self.child.process.returncode != 0:
            self.child.require_running()
        return Result.read(self.path, wanted=self.rate * self.seconds)
