"""Child processes that never outlive the program that started them."""

from __future__ import annotations

import ctypes
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

Value = TypeVar("Value")

_POLL_SECONDS = 0.02
_STOP_SECONDS = 4.0
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG in linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)


class Unready(Exception):
    """A program ended, or did not do in time what it was waited for."""

    def __init__(self, message: str, logs: Sequence[Path] = ()) -> None:
        super().__init__(message)
        self.logs = list(logs)


@dataclass
class Child:
    """One running program, with what it prints in two files."""

    name: str
    process: subprocess.Popen[bytes]
    output: Path
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def wait_for_output(self, pattern: str, seconds: float) -> re.Match[str]:
        """Waits until the standard output has a line that matches the pattern."""
        return wait_for(
            lambda: re.search(pattern, self.output.read_text(errors="replace"), re.MULTILINE),
            what=f"{self.name} to say “{pattern}”",
            seconds=seconds,
            children=[self],
        )

    def require_running(self) -> None:
        if not self.is_running:
            raise Unready(f"{self.name} ended with status {self.process.returncode}.", [self.log, self.output])

    def kill(self) -> None:
        """Ends the program the hard way, and returns when it is gone."""
        if self.is_running:
            self.process.kill()
        self.process.wait()


class Family:
    """Starts programs, and ends every one of them by its process identifier when the block is left."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._children: list[Child] = []

    def start(
        self, name: str, arguments: Sequence[str | Path], files: str | None = None, has_input: bool = False
    ) -> Child:
        """Starts a program; what it prints goes to `<files>.out` and `<files>.log` in the directory."""
        output = self.directory / f"{files or name}.out"
        log = self.directory / f"{files or name}.log"
        with output.open("wb") as out, log.open("ab") as errors:
            process = subprocess.Popen(
                [str(argument) for argument in arguments],
                stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                # Ctrl-C reaches this program alone, which then ends the others in order.
                process_group=0,
                preexec_fn=_die_with_parent,
            )
        child = Child(name, process, output, log)
        self._children.append(child)
        return child

    def require_running(self, children: Sequence[Child]) -> None:
        for child in children:
            child.require_running()

    def stop(self) -> None:
        """Asks all to stop, and ends those that don't."""
        running = [child for child in reversed(self._children) if child.is_running]
        for child in running:
            child.process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for child in running:
            try:
                child.process.wait(max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                child.kill()

    def __enter__(self) -> Family:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A second Ctrl-C must not leave half of them behind.
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.stop()
        finally:
            signal.signal(signal.SIGINT, previous)


def wait_for(
    condition: Callable[[], Value | None],
    what: str,
    seconds: float,
    children: Sequence[Child] = (),
    every: float = _POLL_SECONDS,
) -> Value:
    """Asks again and again until the answer is neither nothing nor false."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        for child in children:
            child.require_running()
        if time.monotonic() > deadline:
            logs = [path for child in children for path in (child.log, child.output)]
            raise Unready(f"Waited {seconds:.0f} s for {what}.", logs)
        time.sleep(every)


def exit_on_signals() -> None:
    """Turns the signals that end a program into an exception, so that it cleans up."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    # A shell starts background jobs with this signal ignored, and Python leaves that so.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _die_with_parent() -> None:
    # Even SIGKILL to this program leaves nothing behind.
    _libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
