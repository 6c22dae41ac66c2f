"""The load: many SMTP clients in one small process, so that the machine's cores are the server's.

Run as `python -m bench.load` with a `Load` as JSON on stdin; prints a `Result` as JSON. Every reply is checked: one
wrong code ends the run with an error. Envelopes are pipelined (RFC 2920), as mail servers do among themselves.
"""

from __future__ import annotations

import base64
import json
import select
import socket
import ssl
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from typing import TypeAlias

Wish: TypeAlias = int
"""The epoll event that a session waits for."""

Steps: TypeAlias = Generator[Wish, None, None]
STALLED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """What to send: `messages` in all, over `connections` at a time, `per_connection` on each (0: no limit).

    Connection n sends to `recipients[n]`, each an envelope's list. `size` is the message's in octets. With `user`, the
    session does STARTTLS and AUTH PLAIN first.
    """

    host: str
    port: int
    source: str
    messages: int
    connections: int
    per_connection: int
    size: int
    recipients: tuple[tuple[str, ...], ...]
    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """`started` in seconds since 1970; `seconds` until the last 250; `latencies` of each message, connecting included
    where each has a connection of its own, in seconds; `cpu` seconds of the load itself.
    """

    started: float
    seconds: float
    latencies: tuple[float, ...]
    cpu: float


class WrongReply(Exception):
    """The server did not answer as it should."""


class Connection:
    """One client's socket, without blocking: every method yields what it waits for."""

    def __init__(self, load: Load) -> None:
        self.socket: socket.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.bind((load.source, 0))
        self.socket.setblocking(False)
        self._received = b""
        self._address = (load.host, load.port)

    def connect(self) -> Steps:
        if self.socket.connect_ex(self._address):
            yield select.EPOLLOUT
        if error := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, "cannot connect")

    def start_tls(self, context: ssl.SSLContext) -> Steps:
        secured = context.wrap_socket(self.socket, do_handshake_on_connect=False)
        self.socket = secured
        while True:
            try:
                return secured.do_handshake()
            except ssl.SSLWantReadError:
                yield select.EPOLLIN
            except ssl.SSLWantWriteError:
                yield select.EPOLLOUT

    def send(self, data: bytes) -> Steps:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self.socket.send(rest) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                yield select.EPOLLOUT

    def expect(self, code: bytes) -> Steps:
        """Read one reply, of one line or several. Raises `WrongReply`."""
        while True:
            line, end, rest = self._received.partition(b"\r\n")
            if not end:
                yield from self._receive()
                continue
            self._received = rest
            if not line.startswith(code):
                raise WrongReply(f"{line!r} where {code!r} was expected")
            if line[3:4] != b"-":
                return

    def _receive(self) -> Steps:
        while True:
            try:
                data = self.socket.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError):
                yield select.EPOLLIN
                continue
            if not data:
                raise WrongReply("the server closed the connection")
            self._received += data
            return


class Crowd:
    """All the clients of a load, and what they have sent."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self._left = load.messages
        self.latencies: list[float] = []
        self._sender = load.user or "sender@example.com"
        self._message = message_of(load.size, self._sender) + b"\r\n.\r\n"
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    def client(self, number: int) -> Iterator[tuple[Connection, Wish]]:
        """One client: connections, one after the other, until no message is left to send."""
        recipients = self.load.recipients[number % len(self.load.recipients)]
        while self._take():
            connection = Connection(self.load)
            for wish in self._session(connection, recipients):
                yield connection, wish
            connection.socket.close()

    def _take(self) -> bool:
        """Take one of the messages that are left to send, if there is one."""
        self._left -= 1
        return self._left >= 0

    def _session(self, connection: Connection, recipients: tuple[str, ...]) -> Steps:
        """Send the message that was taken, and more of them if the connection may carry more."""
        begun, sent = time.perf_counter(), 0
        yield from self._greet(connection)
        while True:
            begun = begun if self.load.per_connection == 1 else time.perf_counter()
            yield from self._send_one(connection, recipients)
            self.latencies.append(time.perf_counter() - begun)
            sent += 1
            if sent == self.load.per_connection or not self._take():
                break
        yield from connection.send(b"QUIT\r\n")
        yield from connection.expect(b"221")

    def _greet(self, connection: Connection) -> Steps:
        yield from connection.connect()
        yield from connection.expect(b"220")
        yield from self._command(connection, b"EHLO load.example.com", b"250")
        if self.load.user:
            yield from self._command(connection, b"STARTTLS", b"220")
            yield from connection.start_tls(self._context)
            yield from self._command(connection, b"EHLO load.example.com", b"250")
            secret = base64.b64encode(f"\0{self.load.user}\0{self.load.password}".encode())
            yield from self._command(connection, b"AUTH PLAIN " + secret, b"235")

    def _command(self, connection: Connection, line: bytes, code: bytes) -> Steps:
        yield from connection.send(line + b"\r\n")
        yield from connection.expect(code)

    def _send_one(self, connection: Connection, recipients: tuple[str, ...]) -> Steps:
        envelope = [f"MAIL FROM:<{self._sender}>", *(f"RCPT TO:<{one}>" for one in recipients), "DATA", ""]
        yield from connection.send("\r\n".join(envelope).encode())
        for _ in range(1 + len(recipients)):
            yield from connection.expect(b"250")
        yield from connection.expect(b"354")
        yield from connection.send(self._message)
        yield from connection.expect(b"250")


def message_of(size: int, sender: str) -> bytes:
    """A text message of that size, without the last line end."""
    header = (
        f"From: Sender <{sender}>\r\nTo: Reader <reader@example.org>\r\nSubject: A message of the load\r\n"
        "Date: Fri, 20 Nov 2026 10:00:00 +0000\r\nMessage-ID: <load@example.com>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n\r\n"
    ).encode()
    line = b"The quick brown fox jumps over the lazy dog, again and again and again.\r\n"
    body = line * (1 + (size - len(header)) // len(line))
    return header + body[: max(0, size - len(header) - 2)].rstrip()


def run(load: Load) -> Result:
    """Send the whole load. Raises `WrongReply`, `OSError`, `TimeoutError`."""
    crowd = Crowd(load)
    cpu, started, begun = time.process_time(), time.time(), time.perf_counter()
    drive([crowd.client(number) for number in range(load.connections)])
    seconds = time.perf_counter() - begun
    return Result(started, seconds, tuple(crowd.latencies), time.process_time() - cpu)


def drive(clients: list[Iterator[tuple[Connection, Wish]]]) -> None:
    """Let every client go on as soon as what it waits for has come."""
    poll, waiting = select.epoll(), dict[int, tuple[Iterator[tuple[Connection, Wish]], Connection]]()

    def go_on(client: Iterator[tuple[Connection, Wish]]) -> None:
        if step := next(client, None):
            connection, wish = step
            descriptor = connection.socket.fileno()
            register(poll, descriptor, wish)
            waiting[descriptor] = (client, connection)

    for client in clients:
        go_on(client)
    while waiting:
        events = poll.poll(STALLED_SECONDS)
        if not events:
            raise TimeoutError(f"nothing heard from the server for {STALLED_SECONDS} s")
        for descriptor, _ in events:
            client, _ = waiting.pop(descriptor)
            go_on(client)


def register(poll: select.epoll, descriptor: int, wish: Wish) -> None:
    """Wait for one event. A descriptor may be known, or be the number of a closed one again."""
    try:
        poll.modify(descriptor, wish | select.EPOLLONESHOT)
    except FileNotFoundError:
        poll.register(descriptor, wish | select.EPOLLONESHOT)


def main() -> None:
    wanted = json.load(sys.stdin)
    wanted["recipients"] = tuple(map(tuple, wanted["recipients"]))
    json.dump(asdict(run(Load(**wanted))), sys.stdout)


if __name__ == "__main__":
    main()
