"""The phases of the demo: what is done in each, what must come of it, and what was wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from demo.departure import Departure, now_ms
from demo.fleet import WORKERS_IN_A_REGION, Fleet, Sidecar
from demo.load import Load, Result
from shared import terminal

HOME = "eu"
# The region nearest to eu by the round-trip times of xds/examples/three-regions.yaml.
NEAREST = "us"
SHARES = {HOME: 80, NEAREST: 20}

_SHARE_TOLERANCE = 3.0
# Enough that chance alone stays inside the tolerance in more than 999 of 1,000 runs.
_SHARE_REQUESTS = 2_400
_MOVE_LIMIT_MS = 1_000.0
# A killed worker takes the requests it was serving with it; retries must save nearly all of them.
_KILLED_SHARE = 0.005
# Retries skip the positions of priorities that were tried, and positions shift when a region goes: a request that was
# under way in that moment may land one region further.
_STRAY_SHARE = 0.005
# Less means that the load itself could not keep up.
_SENT_SHARE = 0.95


@dataclass
class Phase:
    """One row of the table."""

    title: str
    expected: str
    result: Result
    move_ms: float | None = None
    problems: list[str] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)


class Phases:
    """Runs the phases against a fleet, with load through the sidecar of the home region."""

    def __init__(self, fleet: Fleet, rate: int) -> None:
        self.fleet = fleet
        self.rate = rate

    def run(self) -> Iterator[Phase]:
        yield self.at_home()
        yield self.killed()
        yield self.returning()
        yield self.back_home()
        yield self.shared()

    @property
    def sidecar(self) -> Sidecar:
        return self.fleet.sidecars[HOME]

    def at_home(self) -> Phase:
        result = self._load("normal", 4).finish()
        phase = self._phase("normal", f"all in {HOME}", result)
        phase.problems += self._no_failures(result) + self._only(result, HOME)
        return phase

    def killed(self) -> Phase:
        """The region's workers vanish while requests are being served."""
        load = self._load(f"{HOME} killed", 6)
        load.wait_until_flowing(self.rate)
        departure = Departure.of(HOME, self.sidecar.admin)
        self.fleet.kill(HOME)
        result = load.finish(departure.look)
        phase = self._phase(f"{HOME} killed", f"moves to {NEAREST}", result, worker=NEAREST)
        last = max(departure.last_request_ms or 0, result.last_ok_ms.get(HOME, 0))
        phase.move_ms = max(last - departure.since_ms, 0)
        phase.problems += self._mostly(result, HOME, NEAREST) + self._both(result) + self._soon(phase)
        if departure.gone_ms is None:
            phase.problems.append(f"the sidecar still sees workers in {HOME} after the load")
        if result.failed > result.requests * _KILLED_SHARE:
            phase.problems.append(f"{result.failed} requests failed ({_errors(result)}), more than {_KILLED_SHARE:.1%}")
        return phase

    def returning(self) -> Phase:
        """The region's workers come back while the nearest one serves for them."""
        load = self._load(f"{HOME} returns", 6)
        load.wait_until_flowing(self.rate)
        self.fleet.revive(HOME)
        ready = now_ms()
        result = load.finish()
        phase = self._phase(f"{HOME} returns", f"{NEAREST}, then {HOME}", result, worker=f"{HOME}-1")
        phase.move_ms = max(result.last_ok_ms.get(NEAREST, ready) - ready, 0)
        phase.problems += self._no_failures(result) + self._only(result, HOME, NEAREST) + self._both(result)
        phase.problems += self._soon(phase)
        return phase

    def back_home(self) -> Phase:
        self.fleet.wait_until_serving()
        self.fleet.wait_until_routable(self.sidecar, HOME, WORKERS_IN_A_REGION)
        result = self._load("afterwards", 3).finish()
        phase = self._phase("afterwards", f"all in {HOME}", result)
        phase.problems += self._no_failures(result) + self._only(result, HOME)
        return phase

    def shared(self) -> Phase:
        """The operator takes over from the distances."""
        before = self.sidecar.admin.accepted_updates()
        shares = [f"{region}={percent}" for region, percent in SHARES.items()]
        self.fleet.programs.meridian(
            "shares", "reports", "--from", HOME, *shares, "--control", self.fleet.control
        )
        self.fleet.wait_until_updated(self.sidecar, before)
        self.fleet.wait_until_synced()
        title = f"{HOME} {SHARES[HOME]} / {NEAREST} {SHARES[NEAREST]}"
        result = self._load("shares", math.ceil(_SHARE_REQUESTS / self.rate)).finish()
        expected = f"{SHARES[HOME]} : {SHARES[NEAREST]} ± {_SHARE_TOLERANCE:.0f}"
        phase = self._phase(title, expected, result)
        phase.problems += self._no_failures(result) + self._split(result)
        return phase

    def _load(self, title: str, seconds: int) -> Load:
        terminal.progress(f"{title}: starting the load")
        return Load.start(self.fleet, title, self.sidecar, self.rate, seconds)

    def _phase(self, title: str, expected: str, result: Result, worker: str = HOME) -> Phase:
        names = [name for name in self.fleet.workers if name.startswith(worker)][:1]
        phase = Phase(title, expected, result, logs=self.fleet.logs("control", f"envoy-{HOME}", *names))
        phase.problems += self._counts(result)
        return phase

    def _counts(self, result: Result) -> list[str]:
        """The load must have been what was asked for, or the rest proves nothing."""
        problems = []
        if result.requests < result.wanted * _SENT_SHARE:
            problems.append(f"only {result.requests} of {result.wanted} requests were sent")
        if result.ok + result.failed != result.requests:
            problems.append(f"{result.requests} requests, but {result.ok} ok and {result.failed} failed")
        if sum(result.by_region.values()) != result.ok:
            problems.append(f"{result.ok} answers, but {sum(result.by_region.values())} name their region")
        if result.ok == 0:
            problems.append(f"nothing was served ({_errors(result)})")
        return problems

    def _no_failures(self, result: Result) -> list[str]:
        return [f"{result.failed} requests failed ({_errors(result)})"] if result.failed else []

    def _only(self, result: Result, *regions: str) -> list[str]:
        return self._mostly(result, *regions, strays=0)

    def _mostly(self, result: Result, *regions: str, strays: float = _STRAY_SHARE) -> list[str]:
        others = {region: count for region, count in sorted(result.by_region.items()) if region not in regions}
        if sum(others.values()) <= result.requests * strays:
            return []
        return [f"{count} requests were served in {region}" for region, count in others.items() if count]

    def _both(self, result: Result) -> list[str]:
        missing = [region for region in (HOME, NEAREST) if not result.by_region.get(region)]
        return [f"no request was served in {region}" for region in missing]

    def _soon(self, phase: Phase) -> list[str]:
        if phase.move_ms is None or phase.move_ms <= _MOVE_LIMIT_MS:
            return []
        return [f"traffic moved after {phase.move_ms:,.0f} ms, later than {_MOVE_LIMIT_MS:,.0f} ms"]

    def _split(self, result: Result) -> list[str]:
        problems = self._only(result, *SHARES)
        for region, percent in SHARES.items():
            found = 100 * result.by_region.get(region, 0) / max(result.ok, 1)
            if abs(found - percent) > _SHARE_TOLERANCE:
                problems.append(f"{region} served {found:.1f} %, expected {percent} % ± {_SHARE_TOLERANCE:.0f}")
        return problems


def _errors(result: Result) -> str:
    return ", ".join(f"{code} × {count}" for code, count in sorted(result.errors.items())) or "no error was counted"
