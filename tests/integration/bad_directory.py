"""A server on the loopback interface that answers every LDAP request with octets that a test chose."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.integration.ports import HOST

Answer: TypeAlias = Callable[[int], Iterator[bytes]]
"""From a request's message ID, what to send, piece by piece."""


@dataclass
class BadDirectory:
    """Where it listens, and all that it was sent, a request an item."""

    port: int
    requests: list[bytes] = field(default_factory=list)

    @property
    def uri(self) -> str:
        return f"ldap://{HOST}:{self.port}"


def tlv(tag: int, *contents: bytes) -> bytes:
    """A tag, a length, a value (X.690 section 8.1)."""
    value = b"".join(contents)
    length = len(value).to_bytes(4, "big")
    return bytes([tag, 0x84]) + length + value


def message(number: int, operation: bytes) -> bytes:
    """An LDAPMessage (RFC 4511 section 4.1.1)."""
    return tlv(0x30, tlv(0x02, number.to_bytes(4, "big")), operation)


def result(tag: int, code: int, *more: bytes) -> bytes:
    """An LDAPResult under the tag of its operation; `more` stands behind it."""
    return tlv(tag, tlv(0x0A, bytes([code])), tlv(0x04), tlv(0x04), *more)


def entry(dn: bytes, mail: bytes = b"alice@example.org") -> bytes:
    """A SearchResultEntry with one value of mail."""
    attribute = tlv(0x30, tlv(0x04, b"mail"), tlv(0x31, tlv(0x04, mail)))
    return tlv(0x64, tlv(0x04, dn), tlv(0x30, attribute))


@contextmanager
def answering(answer: Answer) -> Iterator[BadDirectory]:
    """The server, for as long as the block."""
    with socket.create_server((HOST, 0)) as listening:
        directory = BadDirectory(listening.getsockname()[1])
        threading.Thread(target=_accept, args=(listening, directory, answer), daemon=True).start()
        yield directory
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, directory: BadDirectory, answer: Answer) -> None:
    with suppress(OSError):
        while True:
            client, _ = listening.accept()
            threading.Thread(target=_serve, args=(client, directory, answer), daemon=True).start()


def _serve(client: socket.socket, directory: BadDirectory, answer: Answer) -> None:
    with suppress(OSError), client:
        unread = b""
        while data := client.recv(65536):
            unread += data
            size = _size(unread)
            if size <= len(unread):
                request, unread = unread[:size], unread[size:]
                directory.requests.append(request)
                for piece in answer(_message_id(request)):
                    client.sendall(piece)


def _size(begun: bytes) -> int:
    """Octets of the message that begins here, as far as that can be told (X.690 section 8.1.3)."""
    if len(begun) < 6:
        return 6
    long = begun[1] - 0x80 if begun[1] & 0x80 else 0
    return 2 + long + (int.from_bytes(begun[2 : 2 + long], "big") if long else begun[1])


def _message_id(request: bytes) -> int:
    start = 2 + (request[1] - 0x80 if request[1] & 0x80 else 0)
    return int.from_bytes(request[start + 2 : start + 2 + request[start + 1]], "big")
