"""DNS for tests: records written as in a zone file, and the messages by which a server tells them.

The server that tests start (`tests/integration/fake_dns.py`) and the resolver in memory (`tests/unit/relay/zone.py`)
both answer by this.
"""

from __future__ import annotations

from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import dns.tokenizer
import dns.zonefile

TTL = 300
MOST_ALIASES = 20


class Records:
    """What a DNS server knows, of any domains.

    The text is of lines such as `example.com MX 10 mx.example.com`: a name without its last dot is whole where no
    `$ORIGIN` stands above it. A TTL may be given, `$TTL` too.
    """

    def __init__(self, text: str = "") -> None:
        self._sets: dict[tuple[dns.name.Name, int], dns.rrset.RRset] = {}
        self._names: set[dns.name.Name] = set()
        self.add(text)

    def add(self, text: str) -> None:
        """Know these records too."""
        for rrset in _read(text):
            known = self._sets.setdefault((rrset.name, rrset.rdtype), rrset)
            known.update(rrset)
            for depth in range(len(rrset.name) - 1):
                self._names.add(rrset.name.split(len(rrset.name) - depth)[1])

    def forget(self, name: str) -> None:
        """Know nothing of a name any more."""
        gone = dns.name.from_text(name)
        self._sets = {key: rrset for key, rrset in self._sets.items() if key[0] != gone}
        self._names = {known for known in self._names if known != gone}

    def reply(self, query: dns.message.Message, *, secure: bool = False) -> dns.message.Message:
        """What a server that finds the answer itself says, in a message without a size."""
        message = dns.message.make_response(query, recursion_available=True)
        (question,) = query.question
        name = question.name
        for _ in range(MOST_ALIASES):
            found = self._sets.get((name, question.rdtype))
            alias = self._sets.get((name, dns.rdatatype.CNAME))
            if found or not alias:
                break
            message.answer.append(alias)
            name = alias[0].target
        if found:
            message.answer.append(found)
        else:
            message.set_rcode(dns.rcode.NOERROR if name in self._names else dns.rcode.NXDOMAIN)
            message.authority.append(_soa(name))
        if secure:
            message.flags |= dns.flags.AD
        return message


def _soa(name: dns.name.Name) -> dns.rrset.RRset:
    zone = name.split(min(2, len(name)))[1]
    return dns.rrset.from_text(zone, TTL, "IN", "SOA", f"ns.{zone} root.{zone} 1 3600 600 86400 60")


class _AnyZones(dns.zonefile.RRSetsReaderManager):
    def writer(self, replacement: bool = False) -> dns.zonefile.RRsetsReaderTransaction:
        return _AnyRecords(self, True, False)


class _AnyRecords(dns.zonefile.RRsetsReaderTransaction):
    """Takes the SOA of a zone wherever it begins."""

    def add(self, *args: Any) -> None:
        name, ttl, data = args
        if data.rdtype == dns.rdatatype.SOA:
            self._put_rdataset(name, dns.rdataset.from_rdata(ttl, data))
        else:
            super().add(name, ttl, data)


def _read(text: str) -> list[dns.rrset.RRset]:
    """The records of zone files, of any domains."""
    zones = _AnyZones()
    with zones.writer() as transaction:
        tokens = dns.tokenizer.Tokenizer(text)
        dns.zonefile.Reader(tokens, dns.rdataclass.IN, transaction, default_ttl=TTL).read()
    return zones.rrsets
