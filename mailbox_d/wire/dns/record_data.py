"""The data of single records, as values."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.wire

from mailbox_d.wire.dns.questions import RecordType
from mailbox_d.wire.dns.records import MX, SRV, TLSA

_NAME = re.compile(rb"[!-\[\]-~]*")
"""Anything printable but a backslash, which would be read as an escape."""

_HOST = re.compile(rb"[A-Za-z0-9_.-]*")


class MalformedRecord(Exception):
    """Data that is no record of its type, or names what can be no host."""


def record_value(kind: RecordType, data: dns.wire.Parser) -> Any:
    """The value of a record, from a parser that ends where its data end. Raises `MalformedRecord`."""
    if kind in _READERS:
        return _READERS[kind](data.get_remaining())
    try:
        value = _VALUES[kind](dns.rdata.from_wire_parser(dns.rdataclass.IN, dns.rdatatype.RdataType(kind), data))
    except (dns.exception.DNSException, ValueError) as error:
        raise MalformedRecord(str(error)) from error
    if data.remaining():
        raise MalformedRecord("something stands behind the data")
    return value


def _joined(octets: bytes) -> bytes:
    """The strings of a text together. As quick for a stranger's 65,000 empty ones as it can be."""
    strings, at = [], 0
    while at < len(octets):
        end = at + 1 + octets[at]
        strings.append(octets[at + 1 : end])
        at = end
    if at != len(octets) or not octets:
        raise MalformedRecord("a string is longer than the text")
    return b"".join(strings)


def host_text(name: dns.name.Name) -> str:
    """A host's name, or empty for the root. Raises `MalformedRecord`."""
    return _text(name, _HOST)


def name_text(name: dns.name.Name) -> str:
    """Any name, or empty for the root. Raises `MalformedRecord` for one that cannot be written without escapes."""
    return _text(name, _NAME)


def _text(name: dns.name.Name, allowed: re.Pattern[bytes]) -> str:
    labels = name.labels[:-1]
    text = b".".join(labels)
    if not allowed.fullmatch(text) or text.count(b".") > max(0, len(labels) - 1):
        raise MalformedRecord("a label has other octets than a name has")
    return text.decode("ascii").lower()


def _tlsa(octets: bytes) -> TLSA:
    """Whether its data can be of their type, such as 32 octets of a SHA-256, is for who uses them to see. A field that
    is cut off is 255, which nobody goes by: that there is a record says something too (RFC 7672 section 2.2)."""
    usage, selector, matching = octets[:3].ljust(3, b"\xff")
    return TLSA(usage, selector, matching, octets[3:])


_READERS: dict[RecordType, Callable[[bytes], Any]] = {RecordType.TXT: _joined, RecordType.TLSA: _tlsa}
"""From octets; the others are of what dnspython reads."""

_VALUES: dict[RecordType, Callable[[Any], Any]] = {
    RecordType.A: lambda data: IPv4Address(data.address),
    RecordType.AAAA: lambda data: IPv6Address(data.address),
    RecordType.CNAME: lambda data: name_text(data.target),
    RecordType.PTR: lambda data: name_text(data.target),
    RecordType.MX: lambda data: MX(data.preference, host_text(data.exchange)),
    RecordType.SRV: lambda data: SRV(data.priority, data.weight, data.port, host_text(data.target)),
}
