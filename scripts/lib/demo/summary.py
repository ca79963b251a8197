"""The table at the end, and the reasons when something was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from demo.fleet import REGIONS
from demo.phases import Phase
from shared import terminal

_LOG_LINES = 8
_LOG_COLUMNS = 300
_HEAD = ["phase", "expected", "requests", *REGIONS, "failed", "p50 ms", "p99 ms", "moved after", ""]


def print_table(phases: Sequence[Phase]) -> None:
    """One row for each phase."""
    terminal.line()
    for text in terminal.table(_HEAD, [_row(phase) for phase in phases], left=2):
        terminal.line(text)
    terminal.line()
    terminal.note("moved after: until the last request to the region that traffic left (killed, or stood in for)")
    terminal.line()


def print_problems(phases: Sequence[Phase]) -> None:
    """What was wrong in which phase, with the last lines of the logs that may say why."""
    for phase in phases:
        for problem in phase.problems:
            terminal.bad(f"{phase.title}: {problem}")
    print_logs(dict.fromkeys(log for phase in phases if phase.problems for log in phase.logs))


def print_logs(logs: Sequence[Path] | dict[Path, None]) -> None:
    """The last lines of each log."""
    for log in logs:
        lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:] if log.exists() else []
        if lines:
            terminal.line(terminal.styled(f"  last lines of {log.name}:", "bold"))
        for text in lines:
            terminal.note(f"  {text[:_LOG_COLUMNS]}")


def _row(phase: Phase) -> list[str]:
    result = phase.result
    failed = terminal.styled(str(result.failed), "red") if result.failed else "0"
    counts = [f"{result.by_region.get(region, 0):,}" for region in REGIONS]
    moved = "" if phase.move_ms is None else f"{phase.move_ms:,.0f} ms"
    mark = terminal.styled("✗", "red") if phase.problems else terminal.styled("✓", "green")
    times = [f"{result.p50_ms:.1f}", f"{result.p99_ms:.1f}"]
    return [phase.title, phase.expected, f"{result.requests:,}", *counts, failed, *times, moved, mark]
