"""Free ports for programs that have to be told theirs."""

from __future__ import annotations

import random
import socket

# Below the range that Linux takes for outgoing connections: none of those can get in between.
_FIRST = 16_000
_LAST = 32_000
_ATTEMPTS = 200


class Ports:
    """Gives out ports on the loopback address, each once."""

    def __init__(self) -> None:
        self._given: set[int] = set()

    def next(self) -> int:
        for _ in range(_ATTEMPTS):
            port = random.randint(_FIRST, _LAST)
            if port not in self._given and _is_free(port):
                self._given.add(port)
                return port
        raise OSError(f"no free port found between {_FIRST} and {_LAST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
