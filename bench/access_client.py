"""A mail program of the bench: the lightest there can be, so that the time is the server's."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

from bench.servers import HOST

SECONDS = 300.0
_PIECE = 1 << 18


class Refused(Exception):
    """The server did not do what it was asked for."""


def connect(port: int, *, tls: bool) -> socket.socket:
    """A connection to the server, without delay of small packets."""
    connection = socket.create_connection((HOST, port), SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not tls:
        return connection
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)


class IMAPClient:
    """A session, logged in. Commands raise `Refused` where they do not end with OK."""

    def __init__(self, port: int, user: str, password: str, *, tls: bool = False) -> None:
        self._socket = connect(port, tls=tls)
        self._socket.recv(_PIECE)
        self.command(f"LOGIN {user} {password}")

    def command(self, line: str, counted: bytes = b"\r\n* ") -> tuple[int, int]:
        """Send a command and read to its end; the octets that came, and how often `counted` was among them."""
        self._socket.sendall(b"t " + line.encode() + b"\r\n")
        octets = count = 0
        tail = b"\r\n"
        while not _is_end(tail):
            piece = self._socket.recv(_PIECE)
            if not piece:
                raise Refused(f"the connection was closed in {line[:60]}")
            octets += len(piece)
            joined = tail[-len(counted) + 1 :] + piece
            count += joined.count(counted)
            tail = (tail + piece)[-512:]
        if b"\r\nt OK" not in tail:
            raise Refused(tail.decode(errors="replace").splitlines()[-1])
        return octets, count

    def send_noop(self) -> None:
        self._socket.sendall(b"t NOOP\r\n")

    def await_noop(self) -> None:
        said = b""
        while not said.endswith(b"\r\n"):
            said += self._socket.recv(_PIECE)
        if not said.startswith(b"t OK"):
            raise Refused(said.decode(errors="replace"))

    def close(self) -> None:
        self._socket.close()


def _is_end(tail: bytes) -> bool:
    """Whether the last line is complete and is the tagged one."""
    return tail.endswith(b"\r\n") and tail[tail.rfind(b"\r\n", 0, -2) + 2 :].startswith(b"t ")


class POP3Client:
    """A POP3 session, logged in."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self._socket = connect(port, tls=False)
        self._lines = self._received_lines()
        self._expect_ok()
        for line in (f"USER {user}", f"PASS {password}"):
            self._socket.sendall(line.encode() + b"\r\n")
            self._expect_ok()

    def retrieve(self, count: int) -> int:
        """RETR of the messages 1 to `count`, one after the other; the octets of their lines."""
        octets = 0
        for number in range(1, count + 1):
            self._socket.sendall(b"RETR %d\r\n" % number)
            self._expect_ok()
            octets += self._message()
        return octets

    def _message(self) -> int:
        octets = 0
        for line in self._lines:
            if line == b".\r\n":
                break
            octets += len(line)
        return octets

    def _expect_ok(self) -> None:
        line = next(self._lines, b"")
        if not line.startswith(b"+OK"):
            raise Refused(line.decode(errors="replace"))

    def _received_lines(self) -> Iterator[bytes]:
        with self._socket.makefile("rb", _PIECE) as stream:
            yield from stream

    def close(self) -> None:
        """End the session well, so that the next one finds the maildrop free."""
        self._socket.sendall(b"QUIT\r\n")
        self._expect_ok()
        self._socket.close()
