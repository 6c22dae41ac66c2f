"""The addresses of servers' hosts, within a time: the system's resolver knows none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, TypeAlias

SocketAddress: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, Any]
"""Family, kind, protocol, and the address itself, as a socket takes them."""

MOST = 8
"""Addresses of one host that are tried."""

LookUp: TypeAlias = Callable[[str, int], Sequence[SocketAddress]]


def look_up(host: str, port: int) -> Sequence[SocketAddress]:
    """Ask the system's resolver. Raises `OSError`; it blocks for as long as it likes."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found[:MOST]]


class HostAddresses:
    """Asks in a thread for each host, one at a time, for which nobody waits longer than they have time. Safe to call
    from any thread."""

    def __init__(self, ask: LookUp = look_up) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._asking: dict[tuple[str, int], Future[Sequence[SocketAddress]]] = {}
        self._has_ended = False

    def of(self, host: str, port: int, seconds: float) -> Sequence[SocketAddress]:
        """The host's addresses. Blocks; raises `OSError`, `TimeoutError`."""
        with self._lock:
            if self._has_ended:
                raise _stopping()
            asking = self._asking.get((host, port))
            if asking is None:
                asking = self._asking[host, port] = Future()
                threading.Thread(target=self._answer, args=(host, port, asking), name="resolver", daemon=True).start()
        try:
            return asking.result(seconds)
        except TimeoutError as error:
            raise TimeoutError(f"no address of {host} in time") from error

    def end(self) -> None:
        """End what every thread waits for. It waits for nothing."""
        with self._lock:
            self._has_ended = True
            for asking in self._asking.values():
                asking.set_exception(_stopping())

    def _answer(self, host: str, port: int, asking: Future[Sequence[SocketAddress]]) -> None:
        try:
            found = self._ask(host, port)
        except Exception as error:
            self._done(host, port)
            with suppress(InvalidStateError):  # `end` was quicker
                asking.set_exception(error)
        else:
            self._done(host, port)
            with suppress(InvalidStateError):
                asking.set_result(found)

    def _done(self, host: str, port: int) -> None:
        with self._lock:
            del self._asking[host, port]


def _stopping() -> OSError:
    return OSError("the daemon is being stopped")
