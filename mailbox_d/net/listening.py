"""Listening: TCP ports are bound before privileges are dropped, unix sockets after; a listen that fails is fatal."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

log = Logger()


class EndpointListener(Service):
    """Listens on a Twisted endpoint of the kinds tcp and systemd."""

    def __init__(self, reactor: Any, description: str, factory: ServerFactory) -> None:
        self._endpoint = serverFromString(reactor, description)
        self._description = description
        self._factory = factory
        self._port: Any = None

    def privilegedStartService(self) -> None:
        """Bind. Raises `CannotListenError`, which ends the daemon's start."""
        failures: list[BaseException] = []
        listening = self._endpoint.listen(self._factory)
        listening.addCallbacks(self._bound, lambda failure: failures.append(failure.value))
        if failures:
            raise failures[0]

    def startService(self) -> None:
        Service.startService(self)
        if self._port is None:
            self.privilegedStartService()

    def stopService(self) -> Deferred[None] | None:
        Service.stopService(self)
        port, self._port = self._port, None
        return None if port is None else port.stopListening()

    def _bound(self, port: Any) -> None:
        self._port = port
        log.info("listening on {description}", description=self._description)


class UnixListener(Service):
    """Listens on a unix socket that only the daemon's user and group can use.

    A socket that a daemon left behind when it died is removed: the lock of the state folder shows that nobody serves it
    any more. The socket is made with its permissions, never wider for a moment, and given to `group`, of which the
    daemon's user must be a member.
    """

    def __init__(
        self, reactor: Any, path: Path, mode: int, factory: ServerFactory, *, group: int | None = None
    ) -> None:
        self._reactor = reactor
        self._path = path
        self._mode = mode
        self._factory = factory
        self._group = group
        self._port: Any = None

    def startService(self) -> None:
        """Bind. Raises `CannotListenError`, `OSError`."""
        Service.startService(self)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._remove_stale()
        self._port = self._reactor.listenUNIX(str(self._path), self._factory, mode=self._mode, wantPID=False)
        if self._group is not None:
            self._give_to(self._group)
        log.info("listening on unix:{path}", path=str(self._path))

    def stopService(self) -> Deferred[None] | None:
        Service.stopService(self)
        port, self._port = self._port, None
        return None if port is None else port.stopListening()

    def _give_to(self, group: int) -> None:
        try:
            os.chown(self._path, -1, group)
        except PermissionError:
            why = OSError("it cannot be given to the group, of which the daemon's user is no member")
            raise CannotListenError("unix", self._path, why) from None

    def _remove_stale(self) -> None:
        try:
            is_socket = stat.S_ISSOCK(self._path.lstat().st_mode)
        except FileNotFoundError:
            return
        if not is_socket or self._is_served():
            raise CannotListenError("unix", self._path, OSError("the path is taken"))
        self._path.unlink()

    def _is_served(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._path)) == 0
