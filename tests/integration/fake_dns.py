"""A DNS server on loopback, in threads of its own, which can be made to misbehave.

with serving("example.com MX 10 mx.example.com") as dns:
    ...  # `queue.resolver` is dns.address; dns.records.add(...), dns.misbehave("example.com", SERVFAIL)
"""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.dns_zone import Records
from tests.integration.ports import HOST, free_ports

LARGEST_DATAGRAM = 1232
TCP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that came. `name` has no last dot; `port` is the client's."""

    name: str
    kind: str
    by_tcp: bool
    port: int
    identifier: int


Behaviour = Callable[[dns.message.Message, dns.message.Message, bool], bytes | None]
"""From the query, the right reply, and whether TCP is spoken: the octets that are sent instead; None: nothing."""


def refused(query: dns.message.Message, reply: dns.message.Message, by_tcp: bool) -> bytes | None:
    """No service for this client."""
    return _coded(query, dns.rcode.REFUSED)


def servfail(query: dns.message.Message, reply: dns.message.Message, by_tcp: bool) -> bytes | None:
    """A fault at the server, or signatures that are not right."""
    return _coded(query, dns.rcode.SERVFAIL)


def silent(query: dns.message.Message, reply: dns.message.Message, by_tcp: bool) -> bytes | None:
    """No reply at all."""
    return None


def slow(seconds: float) -> Behaviour:
    """The right reply, late. Nobody else is kept waiting."""

    def reply_late(query: dns.message.Message, reply: dns.message.Message, by_tcp: bool) -> bytes | None:
        time.sleep(seconds)
        return _whole(reply)

    return reply_late


def truncated(query: dns.message.Message, reply: dns.message.Message, by_tcp: bool) -> bytes | None:
    """A datagram that says that it is too small."""
    return _whole(reply) if by_tcp else _cut(query)


def always_truncated(query: dns.message.Message, reply: dns.message.Message, by_tcp: bool) -> bytes | None:
    """The same by TCP."""
    return _cut(query)


def wrong_identifier(query: dns.message.Message, reply: dns.message.Message, by_tcp: bool) -> bytes | None:
    """The right reply to another question."""
    octets = _whole(reply)
    return struct.pack("!H", query.id ^ 1) + octets[2:]


def wrong_name(query: dns.message.Message, reply: dns.message.Message, by_tcp: bool) -> bytes | None:
    """A reply to a question that nobody asked."""
    other = dns.message.make_query("wrong.invalid", query.question[0].rdtype, id=query.id)
    return _whole(dns.message.make_response(other, recursion_available=True))


def garbage(query: dns.message.Message, reply: dns.message.Message, by_tcp: bool) -> bytes | None:
    """A header and the question, then nonsense."""
    octets = _whole(dns.message.make_response(query))
    return octets[:6] + struct.pack("!HHH", 3, 0, 0) + octets[12:] + b"\xc0\xff\xee" * 30


def alias_loop(query: dns.message.Message, reply: dns.message.Message, by_tcp: bool) -> bytes | None:
    """A name that stands for another one, which stands for it."""
    name = query.question[0].name
    looped = dns.message.make_response(query, recursion_available=True)
    other = dns.name.from_text("loop", name)
    looped.answer = [dns.rrset.from_text(a, 60, "IN", "CNAME", b.to_text()) for a, b in [(name, other), (other, name)]]
    return _whole(looped)


def many_records(count: int) -> Behaviour:
    """So many addresses or exchangers, 4000 at most, in one reply; by TCP, for no datagram holds them."""

    def tell_many(query: dns.message.Message, reply: dns.message.Message, by_tcp: bool) -> bytes | None:
        if not by_tcp:
            return _cut(query)
        body = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04"
        if query.question[0].rdtype == dns.rdatatype.MX:
            body = b"\xc0\x0c\x00\x0f\x00\x01\x00\x00\x00\x3c\x00\x04"
        header = _whole(dns.message.make_response(query, recursion_available=True))
        question_end = header.index(b"\0", 12) + 5
        records = b"".join(body + _many_data(query, number) for number in range(count))
        return header[:6] + struct.pack("!HHH", count, 0, 0) + header[12:question_end] + records

    return tell_many


def rebinding(*answers: str) -> Behaviour:
    """Another answer each time, in turn; the last one stays. Each is text as of a zone file."""
    left = list(answers)

    def answer_next(query: dns.message.Message, reply: dns.message.Message, by_tcp: bool) -> bytes | None:
        told = Records(left.pop(0) if len(left) > 1 else left[0])
        return _whole(told.reply(query, secure=bool(reply.flags & dns.flags.AD)))

    return answer_next


class FakeDns:
    """The server. All that it knows and does can be changed while it runs."""

    def __init__(self, records: str = "", *, secure: bool = False, host: str = HOST) -> None:
        """`secure`: it says that it has checked signatures (AD). `host`: where it listens."""
        self.records = Records(records)
        self.secure = secure
        self.asked: list[Asked] = []
        self.port = free_ports(1)[0]
        self._behaviours: dict[str, Behaviour] = {}
        self._lock = threading.Lock()
        kinds = (_UdpServer, _TcpServer) if "." in host else (_Udp6Server, _Tcp6Server)
        self._servers = tuple(kind((host, self.port), kind.request) for kind in kinds)
        for server in self._servers:
            server.dns = self
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> str:
        """As `queue.resolver` takes it."""
        return f"{HOST}:{self.port}"

    def misbehave(self, name: str, behaviour: Behaviour, kind: str = "") -> None:
        """Whatever is asked of this name (or one type of it) is answered so; `*`: of all names."""
        self._behaviours[f"{name} {kind}".strip()] = behaviour

    def behave(self) -> None:
        """Answer everything rightly again."""
        self._behaviours.clear()

    def count(self, name: str, kind: str) -> int:
        """How often this was asked."""
        return sum((asked.name, asked.kind) == (name, kind) for asked in list(self.asked))

    def stop(self) -> None:
        """Answer no more, and give the port back."""
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def reply(self, octets: bytes, port: int, *, by_tcp: bool) -> bytes | None:
        """The octets that answer a query; None: nothing."""
        try:
            query = dns.message.from_wire(octets)
        except dns.exception.DNSException:
            return None
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        with self._lock:
            self.asked.append(Asked(name, kind, by_tcp, port, query.id))
            right = self.records.reply(query, secure=self.secure)
        for wanted in (f"{name} {kind}", name, "*"):
            if behaviour := self._behaviours.get(wanted):
                return behaviour(query, right, by_tcp)
        whole = _whole(right)
        return whole if by_tcp or len(whole) <= LARGEST_DATAGRAM else _cut(query)


@contextmanager
def serving(records: str = "", *, secure: bool = False) -> Iterator[FakeDns]:
    """A server that runs meanwhile."""
    server = FakeDns(records, secure=secure)
    try:
        yield server
    finally:
        server.stop()


class _UdpRequest(socketserver.BaseRequestHandler):
    server: _UdpServer

    def handle(self) -> None:
        octets, answering = self.request
        reply = self.server.dns.reply(octets, self.client_address[1], by_tcp=False)
        if reply is None:
            return
        with suppress(OSError):
            answering.sendto(reply, self.client_address)


class _TcpRequest(socketserver.BaseRequestHandler):
    server: _TcpServer

    def handle(self) -> None:
        client: socket.socket = self.request
        client.settimeout(TCP_SECONDS)
        with suppress(OSError, struct.error), client.makefile("rb") as stream:
            (length,) = struct.unpack("!H", stream.read(2))
            reply = self.server.dns.reply(stream.read(length), self.client_address[1], by_tcp=True)
            if reply is not None:
                client.sendall(struct.pack("!H", len(reply)) + reply)
            stream.read(1)


class _UdpServer(socketserver.ThreadingUDPServer):
    daemon_threads = True
    block_on_close = False
    max_packet_size = 65535
    request = _UdpRequest
    dns: FakeDns


class _TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request = _TcpRequest
    dns: FakeDns


class _Udp6Server(_UdpServer):
    address_family = socket.AF_INET6


class _Tcp6Server(_TcpServer):
    address_family = socket.AF_INET6


def _many_data(query: dns.message.Message, number: int) -> bytes:
    if query.question[0].rdtype == dns.rdatatype.MX:
        return struct.pack("!H", number) + b"\xc0\x0c"
    return bytes((198, 51, number >> 8 & 255, number & 255))


def _coded(query: dns.message.Message, code: dns.rcode.Rcode) -> bytes:
    reply = dns.message.make_response(query, recursion_available=True)
    reply.set_rcode(code)
    return _whole(reply)


def _cut(query: dns.message.Message) -> bytes:
    reply = dns.message.make_response(query, recursion_available=True)
    reply.flags |= dns.flags.TC
    return _whole(reply)


def _whole(message: dns.message.Message) -> bytes:
    return message.to_wire(max_size=65535)
