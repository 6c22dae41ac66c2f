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

MOST_TEXT = 4096
"""Octets of one text that are kept; a DKIM key of 4096 bits has 740."""

_LABEL = re.compile(rb"[!-\-/-\[\]-~]{1,63}")
"""Anything printable but a dot and a backslash: with those the text could be read as another name."""

_HOST_LABEL = re.compile(rb"[A-Za-z0-9_-]{1,63}")


class MalformedRecord(Exception):
    """Data that is no record of its type, or names what can be no host."""


def record_value(kind: RecordType, data: dns.wire.Parser) -> Any:
    """The value of a record, from a parser that ends where its data end. Raises `MalformedRecord`."""
    try:
        value = _VALUES[kind](dns.rdata.from_wire_parser(dns.rdataclass.IN, dns.rdatatype.RdataType(kind), data))
    except (dns.exception.DNSException, ValueError) as error:
        raise MalformedRecord(str(error)) from error
    if data.remaining():
        raise MalformedRecord("something stands behind the data")
    return value


def host_text(name: dns.name.Name) -> str:
    """A host's name, or empty for the root. Raises `MalformedRecord`."""
    return _text(name, _HOST_LABEL)


def name_text(name: dns.name.Name) -> str:
    """Any name, or empty for the root. Raises `MalformedRecord` for one that cannot be written without escapes."""
    return _text(name, _LABEL)


def _text(name: dns.name.Name, allowed: re.Pattern[bytes]) -> str:
    labels = name.labels[:-1]
    if not all(map(allowed.fullmatch, labels)):
        raise MalformedRecord("a label has other octets than a name has")
    return b".".join(labels).decode("ascii").lower()


def _tlsa(data: Any) -> TLSA:
    if not data.cert:
        raise MalformedRecord("nothing to compare a certificate with")
    return TLSA(data.usage, data.selector, data.mtype, data.cert)


_VALUES: dict[RecordType, Callable[[Any], Any]] = {
    RecordType.A: lambda data: IPv4Address(data.address),
    RecordType.AAAA: lambda data: IPv6Address(data.address),
    RecordType.CNAME: lambda data: name_text(data.target),
    RecordType.PTR: lambda data: name_text(data.target),
    RecordType.MX: lambda data: MX(data.preference, host_text(data.exchange)),
    RecordType.SRV: lambda data: SRV(data.priority, data.weight, data.port, host_text(data.target)),
    RecordType.TXT: lambda data: b"".join(data.strings)[:MOST_TEXT],
    RecordType.TLSA: _tlsa,
}
