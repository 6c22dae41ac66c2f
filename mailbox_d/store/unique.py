"""Names that no other delivery has or will have, on this machine or another.

`<seconds>.M<microseconds>P<pid>Q<count>R<random>.<host>`: the counter keeps deliveries of one process apart whatever
the clock does, the random part those of processes that happen to share a number.
"""

from __future__ import annotations

import itertools
import os
import re
import secrets
import socket
import time
from collections.abc import Callable

_UNFIT = re.compile(rb"[^A-Za-z0-9._-]")


class UniqueNames:
    """Makes base names; safe for threads, and after a fork."""

    def __init__(self, *, clock: Callable[[], float] = time.time, host: str | None = None) -> None:
        self._clock = clock
        self._host = _UNFIT.sub(b"_", os.fsencode(host or socket.gethostname()))[:64] or b"localhost"
        self._counter = itertools.count(1)
        self._process = (0, "")

    def bare(self) -> bytes:
        """A name without sizes, for files under way."""
        seconds, microseconds = divmod(int(self._clock() * 1_000_000), 1_000_000)
        process, random = self._identity()
        unique = f"{seconds}.M{microseconds}P{process}Q{next(self._counter)}R{random}."
        return unique.encode("ascii") + self._host

    def sized(self, octets: int, wire_octets: int) -> bytes:
        """A message's base name, with its size on disk and on the wire."""
        return self.bare() + b",S=%d,W=%d" % (octets, wire_octets)

    def _identity(self) -> tuple[int, str]:
        if self._process[0] != os.getpid():
            self._process = (os.getpid(), secrets.token_hex(4))
        return self._process
