"""The sockets of all connections to a directory, so that nobody waits for them when the daemon is stopped."""

from __future__ import annotations

import socket
import threading
import weakref
from contextlib import suppress


class OpenSockets:
    """Sockets, for as long as somebody uses them. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._has_ended = False

    def add(self, one: socket.socket) -> None:
        """One more. Raises `OSError` where all have been ended."""
        with self._lock:
            if self._has_ended:
                raise OSError("the daemon is being stopped")
            self._sockets.add(one)

    def end(self) -> None:
        """End what every thread waits for on any of them, and let nothing begin any more. It waits for nothing."""
        with self._lock:
            self._has_ended = True
            for one in self._sockets:
                with suppress(OSError):
                    socket.socket.shutdown(one, socket.SHUT_RDWR)  # past what TLS would have to say first
