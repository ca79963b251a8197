"""Which core does what, and how many sockets a process may have."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass


class Unsuitable(Exception):
    """This machine can't run the benchmark."""


@dataclass(frozen=True)
class Cores:
    """The server has a core for itself, so what it can do is not blurred by the client's work."""

    server: int
    client: int

    @staticmethod
    def choose() -> Cores:
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 2:
            raise Unsuitable("The benchmark needs two cores, one for the server and one for the client.")
        return Cores(server=allowed[0], client=allowed[1])


def allow_sockets(count: int) -> None:
    """Raises the limit on open files, for this process and for the ones it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(count, hard)))
    except (ValueError, OSError):
        if hard < count:
            raise Unsuitable(f"{count} open files are needed and the hard limit is {hard} (ulimit -Hn).") from None
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
