"""Clients that begin to log in and hang up in the middle of it, over every service and at every place."""

from __future__ import annotations

import base64
import socket
import ssl
import struct
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from tests.integration.directory_site import LONG
from tests.integration.reading import trust
from tests.integration.site import ALICE, HOST, PASSWORD, Site

PLAIN = base64.b64encode(f"\0{ALICE}\0{PASSWORD}".encode()).decode()
NAME = base64.b64encode(ALICE.encode()).decode()
SCRAM = base64.b64encode(f"n,,n={ALICE},r=abcdefghijklmnop".encode()).decode()
IMPLICIT_TLS = ("submissions",)
AT_ONCE = 4
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER's value by which closing a connection resets it."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a client says to a service, each line after an answer to the one before. It does not wait for the last
    answer: it hangs up while the server is at it."""

    kind: str
    lines: Sequence[str]

    def __str__(self) -> str:
        return f"{self.kind}: {' / '.join(self.lines)}"


def _submission(*lines: str) -> Exchange:
    return Exchange("submissions", ("EHLO client.example", *lines))


EXCHANGES = (
    _submission("AUTH PLAIN"),
    _submission("AUTH PLAIN", PLAIN),
    _submission(f"AUTH PLAIN {PLAIN}"),
    _submission("AUTH LOGIN"),
    _submission("AUTH LOGIN", NAME),
    _submission("AUTH SCRAM-SHA-256", SCRAM),
    _submission("AUTH SCRAM-SHA-256", SCRAM, "biws"),
    _submission("AUTH PLAIN", "*"),
    Exchange("imap", ("a AUTHENTICATE PLAIN",)),
    Exchange("imap", ("a AUTHENTICATE PLAIN", PLAIN)),
    Exchange("imap", (f"a AUTHENTICATE PLAIN {PLAIN}",)),
    Exchange("imap", ("a AUTHENTICATE LOGIN", NAME)),
    Exchange("imap", ("a AUTHENTICATE SCRAM-SHA-256", SCRAM)),
    Exchange("imap", ("a LOGIN {17}",)),
    Exchange("imap", ("a LOGIN {17}", f"{ALICE} {{4}}")),
    Exchange("imap", (f"a LOGIN {ALICE} {PASSWORD}",)),
    Exchange("pop3", ("AUTH PLAIN",)),
    Exchange("pop3", ("AUTH PLAIN", PLAIN)),
    Exchange("pop3", ("AUTH LOGIN", NAME)),
    Exchange("pop3", ("AUTH SCRAM-SHA-256", SCRAM)),
    Exchange("pop3", (f"USER {ALICE}",)),
    Exchange("pop3", (f"USER {ALICE}", f"PASS {PASSWORD}")),
)


def hang_up(site: Site, exchange: Exchange, context: ssl.SSLContext, *, reset: bool) -> None:
    """Begin it, and close the connection, or reset it, in the middle. Raises `ConnectionAbortedError` where the server
    has too many, `ConnectionError` where it ended it before."""
    with socket.create_connection((HOST, site.ports[exchange.kind]), LONG) as plain:
        if reset:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        speak = context.wrap_socket(plain, server_hostname="localhost") if exchange.kind in IMPLICIT_TLS else plain
        with speak, speak.makefile("rb") as answers:
            for line in exchange.lines:
                _read_answer(answers)
                speak.sendall(line.encode() + b"\r\n")


def _read_answer(answers: BinaryIO) -> None:
    """One answer; those of SMTP may have several lines (RFC 5321 section 4.2.1)."""
    while (line := answers.readline())[3:4] == b"-":
        pass
    if not line.endswith(b"\n"):
        raise ConnectionResetError("the server ended the connection")
    if line.startswith((b"421", b"-ERR", b"* BYE")):
        raise ConnectionAbortedError(line.decode())


class Crew:
    """Clients that hang up one after the other, some at the same time, each exchange in its turn."""

    def __init__(self, site: Site, exchanges: Sequence[Exchange], *, hang_ups: int) -> None:
        self._site = site
        self._context = trust(site)
        self._hang_ups = hang_ups
        self._exchanges = exchanges

    def work(self) -> None:
        """Until all have hung up. Raises what the first of them could not do."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(self._one, range(self._hang_ups)):
                pass

    def _one(self, number: int) -> None:
        """Logins that nobody waits for count as connections until they are done: who finds too many comes again."""
        turn, which = divmod(number, len(self._exchanges))
        while True:
            with suppress(ConnectionAbortedError):
                hang_up(self._site, self._exchanges[which], self._context, reset=bool(turn % 2))
                return
            time.sleep(0.02)
