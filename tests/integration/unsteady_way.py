"""A way to a server on the loopback interface that a test makes slow, cuts, closes and opens again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum

from tests.integration.ports import HOST, free_ports

PIECE = 65536


class Flow(Enum):
    """What becomes of what the server says."""

    ALL = "all"
    LATE = "late"
    """It comes after `UnsteadyWay.delay` seconds."""
    HALF = "half"
    """Half of it comes, and then nothing more."""
    CUT = "cut"
    """Half of it comes, and then the end of the connection."""
    NONE = "none"


class UnsteadyWay:
    """A port that leads to the one of a server; `flow` counts for connections there are and those to come."""

    def __init__(self, goal: int) -> None:
        (self.port,) = free_ports(1)
        self.flow = Flow.ALL
        self.delay = 0.0
        self.taken = 0
        """Connections so far."""
        self._goal = goal
        self._lock = threading.Lock()
        self._open_ends: set[socket.socket] = set()
        self._listening: socket.socket | None = None
        self._ended = threading.Event()

    def open(self) -> None:
        """Take connections, also once more after `close`."""
        self._listening = socket.create_server((HOST, self.port), backlog=128)
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections, and break those that there are."""
        with self._lock:
            listening, self._listening = self._listening, None
        if listening is not None:
            _shut(listening)
            listening.close()
        self.break_all()

    def end(self) -> None:
        """Close it, and keep nothing waiting."""
        self._ended.set()
        self.close()

    def break_all(self) -> None:
        with self._lock:
            for end in self._open_ends:
                _shut(end)

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                self.taken += 1
                threading.Thread(target=self._lead, args=(client, listening), daemon=True).start()

    def _lead(self, client: socket.socket, listening: socket.socket) -> None:
        """Pass on what both say, until either ends."""
        with client, suppress(OSError), socket.create_connection((HOST, self._goal)) as server:
            with self._lock:
                if self._listening is not listening:
                    return
                self._open_ends |= {client, server}
            asking = threading.Thread(target=self._pass, args=(client, server), daemon=True)
            asking.start()
            self._pass(server, client, answers=True)
            asking.join()
            with self._lock:
                self._open_ends -= {client, server}

    def _pass(self, source: socket.socket, goal: socket.socket, *, answers: bool = False) -> None:
        with suppress(OSError):
            while data := source.recv(PIECE):
                goal.sendall(self._of(data) if answers else data)
                if answers and self.flow is Flow.CUT:
                    break
        _shut(source)
        _shut(goal)

    def _of(self, data: bytes) -> bytes:
        """What comes of a piece that the server says."""
        if self.flow is Flow.LATE:
            self._ended.wait(self.delay)
        if self.flow in (Flow.HALF, Flow.CUT):
            return data[: len(data) // 2]
        return b"" if self.flow is Flow.NONE else data


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def unsteady_way(goal: int) -> Iterator[UnsteadyWay]:
    """The way, open, for as long as the block."""
    way = UnsteadyWay(goal)
    way.open()
    try:
        yield way
    finally:
        way.end()
