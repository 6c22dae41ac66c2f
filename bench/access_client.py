"""Mail programs of the bench: the lightest there can be, so that the time is the server's."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Iterator, Sequence

from bench.servers import HOST

SECONDS = 300.0
_PIECE = 1 << 18
_LONGEST_TAIL = 512


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
    """A session, logged in. What does not end with OK raises `Refused`."""

    def __init__(self, port: int, user: str, password: str, *, tls: bool = False) -> None:
        self._socket = connect(port, tls=tls)
        self._tail = b""
        self._receive()
        self.ask(f"LOGIN {user} {password}")

    def ask(self, line: str) -> bytes:
        """Send a command; all that is answered."""
        self.send(command(line))
        return b"".join(self._answer())

    def expect(self, count: int, of: bytes, line: str) -> None:
        """Send a command, of whose answer nothing is kept. Raises `Refused` where `of` is not in it so many times."""
        self.send(command(line))
        found, tail = 0, b"\r\n"
        for piece in self._answer():
            found += (tail + piece).count(of)
            tail = piece[-len(of) + 1 :]
        if found != count:
            raise Refused(f"{found} times {of!r} where {count} were expected, in {line[:60]}")

    def send(self, octets: bytes) -> None:
        self._tail = b"\r\n"
        self._socket.sendall(octets)

    def has_answered(self) -> bool:
        """Read what came; whether the command that was sent has ended with it."""
        self._receive()
        if not _is_end(self._tail):
            return False
        if b"\r\nt OK" not in self._tail:
            raise Refused(self._tail.decode(errors="replace").splitlines()[-1])
        return True

    def begin_idle(self) -> None:
        self.send(command("IDLE"))
        while b"\r\n+ " not in self._tail:
            self._receive()

    def await_news(self, what: bytes) -> None:
        """Read until a line with that comes, which is then forgotten."""
        while what not in self._tail:
            self._receive()
        self._tail = b"\r\n"

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def _answer(self) -> Iterator[bytes]:
        """The pieces of an answer as they come."""
        while not self.has_answered():
            yield self._piece
        yield self._piece

    def _receive(self) -> None:
        self._piece = self._socket.recv(_PIECE)
        if not self._piece:
            raise Refused("the connection was closed")
        self._tail = (self._tail + self._piece)[-_LONGEST_TAIL:]


def command(line: str) -> bytes:
    return b"t " + line.encode() + b"\r\n"


def append_command(mailbox: str, message: bytes) -> bytes:
    """APPEND of a whole message at once (LITERAL+)."""
    return command(f"APPEND {mailbox} {{{len(message)}+}}")[:-2] + b"\r\n" + message + b"\r\n"


def _is_end(tail: bytes) -> bool:
    """Whether the last line is complete and is the tagged one."""
    return tail.endswith(b"\r\n") and tail[tail.rfind(b"\r\n", 0, -2) + 2 :].startswith(b"t ")


def together(clients: Sequence[IMAPClient], request: bytes, each: int) -> None:
    """Every client sends the request so often, again as soon as it is answered; all of them at a time."""
    poll, asking = select.epoll(), {client.fileno(): client for client in clients}
    left = dict.fromkeys(asking, each)
    for descriptor, client in asking.items():
        poll.register(descriptor, select.EPOLLIN)
        client.send(request)
    while asking:
        for descriptor, _ in poll.poll(SECONDS):
            if asking[descriptor].has_answered():
                left[descriptor] -= 1
                if left[descriptor]:
                    asking[descriptor].send(request)
                else:
                    poll.unregister(descriptor)
                    del asking[descriptor]
    poll.close()


def seconds_until_heard(idler: IMAPClient, sender: IMAPClient, request: bytes, news: bytes) -> float:
    """How long after the OK to a request a client in IDLE hears of it; below 0 where it hears first."""
    times: dict[IMAPClient, float] = {}
    sender.send(request)
    while len(times) < 2:
        for client in select.select([one for one in (idler, sender) if one not in times], [], [], SECONDS)[0]:
            if client is idler:
                client.await_news(news)
            elif not client.has_answered():
                continue
            times[client] = time.perf_counter()
    return times[idler] - times[sender]


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
