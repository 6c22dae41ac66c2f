"""A directory over several servers: the first that answers is asked, and connections are kept for the next question."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from twisted.logger import Logger

from mailbox_d.auth.ldap_realm.bounds import DEFAULT_BOUNDS, LdapBounds
from mailbox_d.auth.ldap_realm.connection import (
    AnswerFault,
    ConnectionGone,
    EndlessAnswer,
    LdapConnection,
    ServerFault,
    Way,
)
from mailbox_d.auth.ldap_realm.directory import Query
from mailbox_d.auth.ldap_realm.entries import Entry
from mailbox_d.auth.ldap_realm.host_addresses import HostAddresses
from mailbox_d.auth.ldap_realm.open_sockets import OpenSockets
from mailbox_d.config.faults import Refusal
from mailbox_d.config.files import read_regular_file
from mailbox_d.config.ldap import LdapRealm
from mailbox_d.errors import AuthenticationUnavailable
from mailbox_d.seldom import Seldom

T = TypeVar("T")

MAX_PASSWORD_FILE = 4096


class OpenConnection(Protocol):
    """What a pool keeps."""

    uri: str

    def bind(self, dn: str, password: bytes) -> bool: ...
    def search(self, query: Query) -> tuple[Entry, ...]: ...
    def close(self) -> None: ...


class Servers:
    """Work on connections to the first of several servers that is well. Safe to call from any thread; it blocks.

    `connect` opens a connection to a URI, or raises `ServerFault`.
    """

    _log = Logger()

    def __init__(
        self,
        uris: tuple[str, ...],
        connect: Callable[[str], OpenConnection],
        *,
        clock: Callable[[], float] = time.monotonic,
        bounds: LdapBounds = DEFAULT_BOUNDS,
    ) -> None:
        self._bounds = bounds
        self._uris = uris
        self._connect = connect
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: list[tuple[float, OpenConnection]] = []
        self._resting: dict[str, float] = {}
        self._seldom = Seldom(clock)
        self._stopped = False

    def do(self, work: Callable[[OpenConnection], T]) -> T:
        """Do `work` on a connection. Raises `AuthenticationUnavailable`."""
        if self._stopped:
            raise _unavailable("the daemon is being stopped")
        causes: list[str] = []
        while (idle := self._take()) is not None:
            try:
                return self._work(idle, work)
            except ConnectionGone:
                continue  # it ended while nobody looked; the server may be well all the same
            except ServerFault as fault:
                causes.append(self._rest(idle.uri, fault))
        for uri in self._uris:
            if self._is_resting(uri):
                continue
            try:
                return self._work(self._connect(uri), work)
            except ServerFault as fault:
                causes.append(self._rest(uri, fault))
        raise _unavailable("; ".join(causes) or "no server answered a moment ago")

    def stop(self) -> None:
        """Begin nothing any more; what fails from now on is no server's fault."""
        self._stopped = True

    def _work(self, connection: OpenConnection, work: Callable[[OpenConnection], T]) -> T:
        try:
            result = work(connection)
        except AnswerFault as fault:
            if isinstance(fault, EndlessAnswer):
                connection.close()
            else:
                self._put_back(connection)
            if self._seldom.is_due(str(fault)):
                self._log.error("The directory cannot be used: {cause!r}", cause=str(fault))
            raise _unavailable(str(fault)) from fault
        except BaseException:
            connection.close()
            raise
        self._put_back(connection)
        return result

    def _take(self) -> OpenConnection | None:
        """The connection that was kept last, if it is young enough and its server well. Older ones are ended."""
        self._end_old()
        while True:
            with self._lock:
                if not self._idle:
                    return None
                _, connection = self._idle.pop()
            if not self._is_resting(connection.uri):
                return connection
            connection.close()

    def _end_old(self) -> None:
        """End connections that nobody has wanted for long; the oldest come first."""
        with self._lock:
            young = [kept for kept in self._idle if self._clock() - kept[0] < self._bounds.idle]
            old = self._idle[: len(self._idle) - len(young)]
            self._idle = young
        for _, connection in old:
            connection.close()

    def _put_back(self, connection: OpenConnection) -> None:
        with self._lock:
            if len(self._idle) < self._bounds.connections:
                self._idle.append((self._clock(), connection))
                return
        connection.close()

    def _is_resting(self, uri: str) -> bool:
        return self._clock() < self._resting.get(uri, float("-inf"))

    def _rest(self, uri: str, fault: ServerFault) -> str:
        if not self._stopped and not self._is_resting(uri):
            self._log.error("The directory server {uri} fails: {cause!r}", uri=uri, cause=str(fault))
        self._resting[uri] = self._clock() + self._bounds.rest
        return str(fault)


class ServedDirectory:
    """The directory of a realm's settings. Searches go by connections bound with the daemon's name, passwords are tried
    on others."""

    def __init__(self, settings: LdapRealm, bounds: LdapBounds = DEFAULT_BOUNDS) -> None:
        self._settings = settings
        self._bounds = bounds
        self._addresses = HostAddresses()
        self._sockets = OpenSockets()
        self._tls = _context(settings)
        self._searching = Servers(settings.uris, self._connect_bound, bounds=bounds)
        self._binding = Servers(settings.uris, self._connect, bounds=bounds)

    def search(self, query: Query) -> tuple[Entry, ...]:
        return self._searching.do(lambda connection: connection.search(query))

    def accepts(self, dn: str, password: bytes) -> bool:
        return self._binding.do(lambda connection: connection.bind(dn, password))

    def stop(self) -> None:
        """Have whoever waits for an answer told that there is none; nothing is asked any more. It waits for nothing."""
        self._searching.stop()
        self._binding.stop()
        self._addresses.end()
        self._sockets.end()

    def _connect(self, uri: str) -> LdapConnection:
        clear = uri.startswith("ldap:") and self._settings.starttls == "none"
        tls = None if clear else self._tls
        return LdapConnection(Way(uri, tls, self._settings.timeout, self._bounds, self._addresses, self._sockets))

    def _connect_bound(self, uri: str) -> LdapConnection:
        connection = self._connect(uri)
        try:
            if self._settings.bind_dn is not None and not connection.bind(self._settings.bind_dn, self._password()):
                raise ServerFault(f"{uri}: it does not let the daemon in (bind_dn, bind_password_file)")
        except AnswerFault as fault:  # of its own entry the daemon can ask no other question
            connection.close()
            raise ServerFault(str(fault)) from fault
        except BaseException:
            connection.close()
            raise
        return connection

    def _password(self) -> bytes:
        """The daemon's own password, read anew for each connection: it may change."""
        assert self._settings.bind_password_file is not None
        try:
            password = read_regular_file(self._settings.bind_password_file, MAX_PASSWORD_FILE).rstrip(b"\r\n")
        except Refusal as refusal:
            raise ServerFault(f"bind_password_file: {refusal.problem}") from refusal
        if not password.strip():
            raise ServerFault("bind_password_file has no password")
        return password


def _context(settings: LdapRealm) -> ssl.SSLContext | None:
    """TLS with the server's name checked, None where none is spoken. Raises `OSError` for authorities that are none."""
    if settings.starttls == "none" and not any(uri.startswith("ldaps:") for uri in settings.uris):
        return None
    context = ssl.create_default_context(cafile=settings.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _unavailable(cause: str) -> AuthenticationUnavailable:
    return AuthenticationUnavailable("The user directory does not answer", cause=cause)
