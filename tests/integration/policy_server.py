"""An HTTPS server on loopback for MTA-STS policies, which can be told to misbehave.

    with PolicyServer(authority.issue("mta-sts.example.org"), policy("mx.example.org")) as server:
        ...                              # fetch from server.address, server.port
        server.act = Stall()             # from now on

`policy` and `act` may be changed while it runs; `asked` is what it was asked for, as `host path`.
"""

from __future__ import annotations

import socket
import ssl
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from tests.integration.authority import Pair
from tests.integration.bad_peer import Close, Endless
from tests.integration.ports import HOST

WAIT = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer with the policy, but with another status, type, further header lines, or body."""

    status: str = "200 OK"
    content_type: str = "text/plain"
    header: str = ""
    body: bytes | None = None
    chunked: bool = False
    until_closed: bool = False
    """No length is told: the body ends with the connection."""

    def octets(self, policy: bytes) -> bytes:
        body = policy if self.body is None else self.body
        lines = [f"HTTP/1.1 {self.status}", *([f"Content-Type: {self.content_type}"] if self.content_type else [])]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        elif not self.until_closed:
            lines.append(f"Content-Length: {len(body)}")
        return "".join(line + "\r\n" for line in [*lines, *self.header.splitlines(), ""]).encode() + body


@dataclass(frozen=True, slots=True)
class Stall:
    """Say these octets, and no more."""

    words: bytes = b""


Act: TypeAlias = Answer | Close | Endless | Stall


def policy(*servers: str, mode: str = "enforce", max_age: int = 86400) -> bytes:
    """A policy's text."""
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {server}" for server in servers), f"max_age: {max_age}"]
    return "".join(line + "\r\n" for line in lines).encode()


class PolicyServer:
    """Listens from `__enter__` on, with one thread for each connection."""

    def __init__(self, pair: Pair, policy: bytes, act: Act | None = None) -> None:
        self.policy = policy
        self.act: Act = act or Answer()
        self.asked: list[str] = []
        self._context = _context(pair)
        self._listener = socket.create_server((HOST, 0))
        self.address, self.port = self._listener.getsockname()
        self._stopping = threading.Event()
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> PolicyServer:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping.set()
        for connection in (self._listener, *self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join(WAIT)

    def show(self, pair: Pair) -> None:
        """Have another certificate from now on."""
        self._context = _context(pair)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.settimeout(WAIT)
                self._connections.append(connection)
                self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), self._context.wrap_socket(connection, server_side=True) as tls:
            request = b""
            while b"\r\n\r\n" not in request:
                piece = tls.recv(65536)
                if not piece:
                    return
                request += piece
            self._note(request.decode("latin-1"))
            self._do(self.act, tls)

    def _note(self, request: str) -> None:
        first, *fields = request.split("\r\n")
        host = next(field.partition(":")[2].strip() for field in fields if field.lower().startswith("host:"))
        self.asked.append(f"{host.partition(':')[0]} {first.split()[1]}")

    def _do(self, act: Act, tls: ssl.SSLSocket) -> None:
        if isinstance(act, Answer):
            tls.sendall(act.octets(self.policy))
            if act.until_closed:
                tls.unwrap()
        elif isinstance(act, Close):
            tls.sendall(act.words)
        elif isinstance(act, Stall):
            tls.sendall(act.words)
            self._stopping.wait(WAIT)
        else:
            tls.sendall(act.first)
            while not self._stopping.is_set():
                tls.sendall(act.again)


def _context(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        context.load_cert_chain(*pair.write(Path(folder), "server"))
    return context
