"""Whether DNS says what a domain needs: the answer to each question, held against what is wanted."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Any, Final

from twisted.internet.defer import Deferred

from mailbox_d.policy.domain_records import Need, Purpose, WantedRecord
from mailbox_d.policy.spf_mentions import Mention, mention
from mailbox_d.printable import one_line
from mailbox_d.wire.dns.records import MX, SRV, IPAddress, LookupFailed, Resolver


class State(Enum):
    """What became of a check."""

    RIGHT = "right"
    MISSING = "missing"
    WRONG = "wrong"
    UNSURE = "unsure"
    """It may be right: what would tell it is not followed."""
    UNKNOWN = "unknown"
    """DNS gave no answer."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check came to, in words; `found`: what DNS has instead or besides, as text that strangers wrote."""

    state: State
    text: str = ""
    found: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """A record that is wanted, and what DNS says of it."""

    record: WantedRecord
    verdict: Verdict

    @property
    def is_fault(self) -> bool:
        """Whether something must be done: what is only advised may be missing, and may not be wrong."""
        if self.verdict.state is State.MISSING:
            return self.record.need is Need.NEEDED
        return self.verdict.state is State.WRONG


async def check_records(wanted: Sequence[WantedRecord], hostname: str, resolver: Resolver) -> AsyncIterator[Checked]:
    """Ask DNS about all records at once; tells each in their order. `hostname`: the mail server's."""
    asked = [Deferred.fromCoroutine(_verdict(record, hostname, resolver)) for record in wanted]
    for record, verdict in zip(wanted, asked, strict=True):
        yield Checked(record, await verdict)


async def _verdict(record: WantedRecord, hostname: str, resolver: Resolver) -> Verdict:
    try:
        return await _check(record, hostname, resolver)
    except LookupFailed as error:
        return Verdict(State.UNKNOWN, one_line(error.public))


async def _check(record: WantedRecord, hostname: str, resolver: Resolver) -> Verdict:
    if record.purpose is Purpose.HOST:
        return judge_host(record, await _addresses(record.name, resolver))
    if record.purpose is Purpose.REVERSE:
        return await _check_reverse(record, hostname, resolver)
    if record.purpose is Purpose.MX:
        return judge_mx(record, (await resolver.mx(record.name)).records)
    if record.purpose is Purpose.SERVICE:
        return judge_service(record, (await resolver.srv(record.name)).records)
    if record.kind == "CNAME":
        return judge_alias(await _addresses(record.name, resolver))
    if not record.value:
        return Verdict(State.MISSING, "there is nothing to publish yet")
    texts = [text.decode("utf-8", "backslashreplace") for text in (await resolver.txt(record.name)).records]
    if record.purpose is Purpose.SPF:
        return judge_spf(record, texts, hostname, await _addresses(hostname, resolver))
    return _TEXTS[record.purpose](record, texts)


async def _addresses(name: str, resolver: Resolver) -> tuple[IPAddress, ...]:
    return (*(await resolver.a(name)).records, *(await resolver.aaaa(name)).records)


async def _check_reverse(record: WantedRecord, hostname: str, resolver: Resolver) -> Verdict:
    """The name of one address, or (without a name in the record) of all that the server has."""
    asked = [_address_of(record.name)] if record.name else await _addresses(hostname, resolver)
    if not asked:
        return Verdict(State.MISSING, "the server's name has no address")
    found = {address: (await resolver.ptr(address)).records for address in asked}
    unnamed = [str(address) for address, names in found.items() if hostname not in map(_plain, names)]
    if not unnamed:
        return Verdict(State.RIGHT)
    names = tuple(name for address in asked for name in found[address])
    return Verdict(State.WRONG if names else State.MISSING, f"not the name of {', '.join(unnamed)}", names)


def judge_host(record: WantedRecord, found: Sequence[IPAddress]) -> Verdict:
    """The server's own addresses; others beside the wanted one are in order."""
    texts = tuple(map(str, found))
    if not found:
        return Verdict(State.MISSING, "the server's name has no address")
    if record.value and ip_address(record.value) not in found:
        return Verdict(State.WRONG, "the server's name has other addresses", texts)
    return Verdict(State.RIGHT)


def judge_mx(record: WantedRecord, found: Sequence[MX]) -> Verdict:
    """This server must be among the hosts; mail comes to others too where they are named as well."""
    host = _plain(record.value.partition(" ")[2])
    hosts = tuple(_plain(mx.host) or "." for mx in found)
    if not found:
        return Verdict(State.MISSING, "mail goes to the domain's own address, if it has one")
    if host not in hosts:
        return Verdict(State.WRONG, "mail goes elsewhere", hosts)
    others = tuple(name for name in hosts if name != host)
    return Verdict(State.RIGHT, "mail may go to other servers too" if others else "", others)


def judge_service(record: WantedRecord, found: Sequence[SRV]) -> Verdict:
    """Our place among those that are named, whatever its weight; only `.` for a service that is not offered."""
    _, _, port, host = record.value.split(" ")
    places = tuple(f"{_plain(srv.host) or '.'}:{srv.port}" for srv in found)
    if not found:
        return Verdict(State.MISSING)
    if host == ".":
        is_right = all(not _plain(srv.host) for srv in found)
    else:
        is_right = any((_plain(srv.host), srv.port) == (_plain(host), int(port)) for srv in found)
    return Verdict(State.RIGHT) if is_right else Verdict(State.WRONG, "another place is named", places)


def judge_alias(found: Sequence[IPAddress]) -> Verdict:
    """A name for a web server, which may be anywhere."""
    return Verdict(State.RIGHT) if found else Verdict(State.MISSING)


def judge_spf(record: WantedRecord, texts: Sequence[str], hostname: str, addresses: Sequence[IPAddress]) -> Verdict:
    """One record that lets this server send, however long it is (RFC 7208 sections 3.2 and 4.5)."""
    found = tuple(text for text in texts if re.match(r"v=spf1(?: |\Z)", text, re.IGNORECASE))
    if len(found) != 1:
        return _none_or_several(found)
    said = mention(found[0], record.name, hostname, addresses)
    lacking = [term for term in record.value.split() if ":" in term and term not in found[0].lower().split()]
    if said is Mention.LET and not lacking:
        return Verdict(State.RIGHT)
    if said is Mention.LET:
        return Verdict(State.WRONG, f"it does not let our relay send: {' '.join(lacking)}", found)
    if said is Mention.PERHAPS:
        return Verdict(State.UNSURE, "what it refers to may let this server send, and is not followed", found)
    text = "it lets everybody send" if said is Mention.EVERYBODY else "it does not let this server send"
    return Verdict(State.WRONG, text, found)


def judge_dkim(record: WantedRecord, texts: Sequence[str]) -> Verdict:
    """The same key, however it is written (RFC 6376 section 3.6.1)."""
    if not texts:
        return Verdict(State.MISSING)
    wanted, found = tags(record.value), [tags(text) for text in texts]
    if len(found) > 1:
        return Verdict(State.WRONG, "there are several keys under one name", tuple(texts))
    same = all(found[0].get(tag, default) == wanted.get(tag, default) for tag, default in (("k", "rsa"), ("p", None)))
    if same and found[0].get("v", "DKIM1") == "DKIM1":
        return Verdict(State.RIGHT)
    return Verdict(State.WRONG, "it is revoked" if found[0].get("p") == "" else "it is another key", tuple(texts))


def judge_dmarc(record: WantedRecord, texts: Sequence[str]) -> Verdict:
    """Any policy that can be understood (RFC 7489 section 6.3)."""
    found = tuple(text for text in texts if re.match(r"v\s*=\s*DMARC1(?:\s*;|\s*\Z)", text))
    if len(found) != 1:
        return _none_or_several(found)
    policy = tags(found[0]).get("p", "").lower()
    if policy not in ("none", "quarantine", "reject"):
        return Verdict(State.WRONG, "it has no policy (p=)", found)
    return Verdict(State.RIGHT, "mail that only claims to be yours is let through (p=none)" if policy == "none" else "")


def judge_mta_sts(record: WantedRecord, texts: Sequence[str]) -> Verdict:
    """One record with an identifier, whichever (RFC 8461 section 3.1)."""
    found = tuple(text for text in texts if text.startswith("v=STSv1;"))
    if len(found) != 1:
        return _none_or_several(found)
    if not re.fullmatch(r"[A-Za-z0-9]{1,32}", tags(found[0]).get("id", "")):
        return Verdict(State.WRONG, "it has no identifier (id=) of letters and digits", found)
    return Verdict(State.RIGHT)


def judge_tls_reports(record: WantedRecord, texts: Sequence[str]) -> Verdict:
    """One record with a place to report to (RFC 8460 section 3)."""
    found = tuple(text for text in texts if text.startswith("v=TLSRPTv1;"))
    if len(found) != 1:
        return _none_or_several(found)
    if not re.match(r"(?:mailto|https):", tags(found[0]).get("rua", "")):
        return Verdict(State.WRONG, "it has no place to report to (rua=)", found)
    return Verdict(State.RIGHT)


def tags(text: str) -> dict[str, str]:
    """`name=value` pairs between semicolons, without blanks (RFC 6376 section 3.2)."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip(): "".join(value.split()) for name, sign, value in pairs if sign}


_TEXTS: Final[Mapping[Purpose, Callable[[WantedRecord, Sequence[str]], Verdict]]] = {
    Purpose.DKIM: judge_dkim,
    Purpose.DMARC: judge_dmarc,
    Purpose.MTA_STS: judge_mta_sts,
    Purpose.TLS_REPORTS: judge_tls_reports,
}


def _none_or_several(found: tuple[str, ...]) -> Verdict:
    if not found:
        return Verdict(State.MISSING)
    return Verdict(State.WRONG, "there are several of them, so that none counts", found)


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _address_of(reverse: str) -> Any:
    """The address that a name below in-addr.arpa or ip6.arpa is of."""
    labels = reverse.split(".")[:-2][::-1]
    if reverse.endswith(".ip6.arpa"):
        digits = "".join(labels)
        return ip_address(":".join(digits[place : place + 4] for place in range(0, 32, 4)))
    return ip_address(".".join(labels))
